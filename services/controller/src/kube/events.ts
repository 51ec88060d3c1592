import { createHash } from "node:crypto";
import type { Logger } from "pino";
import type { Clock } from "../clock.ts";
import { type ApiServer, isStatus, type KubeObject, pathOf, RESOURCES } from "./api.ts";

/** Every reason that an event of ours may give. */
const REASONS = [
  "Applied",
  "Injected",
  "Native",
  "NotInjected",
  "Untouched",
  "WaitingForAgent",
  "ModeCopied",
  "ModeRemoved",
  "ModeDiffers",
  "InvalidMode",
  "Degraded",
  "Ready",
  "Stopping",
] as const;

type Reason = (typeof REASONS)[number];

export interface Notice {
  type: "Normal" | "Warning";
  reason: Reason;
  note: string;
}

interface RecorderOptions {
  api: ApiServer;
  clock: Clock;
  log: Logger;
  instance: string;
}

/** The same about the same object is said again only after this long. */
const REPEAT_MS = 30 * 60_000;
const REMEMBERED = 10_000;
const NOTE_LIMIT = 1024;

/**
 * Says something about an object, in events.k8s.io. An event's name is made from what it says, so
 * that a new leader that says it again adds to its series.
 */
export class EventRecorder {
  private readonly options: RecorderOptions;
  private readonly said = new Map<string, number>();

  constructor(options: RecorderOptions) {
    this.options = options;
  }

  async say(about: KubeObject, { type, reason, note }: Notice): Promise<void> {
    const { api, clock, log, instance } = this.options;
    const { namespace = "default", name = "", uid = "" } = about.metadata;
    const id = createHash("sha256").update(`${uid}\n${reason}\n${note}`).digest("hex").slice(0, 16);
    const now = clock.now();
    const before = this.said.get(id);
    if (before !== undefined && now - before < REPEAT_MS) return;
    this.said.delete(id);
    this.said.set(id, now);
    if (this.said.size > REMEMBERED) this.said.delete(this.said.keys().next().value as string);

    const time = `${new Date(now).toISOString().slice(0, -1)}000Z`;
    const event = {
      apiVersion: RESOURCES.events.apiVersion,
      kind: RESOURCES.events.kind,
      metadata: { name: `${name.slice(0, 200)}.${id}`, namespace },
      eventTime: time,
      reportingController: "outsock.dev/controller",
      reportingInstance: instance.slice(0, 128),
      action: reason,
      reason,
      type,
      note: note.length > NOTE_LIMIT ? `${note.slice(0, NOTE_LIMIT - 3)}...` : note,
      regarding: {
        apiVersion: about.apiVersion,
        kind: about.kind,
        namespace,
        name,
        uid,
        resourceVersion: about.metadata.resourceVersion,
      },
    };
    try {
      await api.create(pathOf(RESOURCES.events, namespace), event);
    } catch (error) {
      if (isStatus(error, 409)) {
        // The leader before this one said it.
        if (before === undefined) return;
        const path = pathOf(RESOURCES.events, namespace, event.metadata.name);
        const series = { count: 2, lastObservedTime: time };
        await api.patch(path, "merge", { series }).catch((err) => log.debug({ err }, "event"));
        return;
      }
      // A namespace that is going takes no events, and an event is not worth a retry.
      log.debug({ err: error, note }, "an event could not be written");
    }
  }
}
