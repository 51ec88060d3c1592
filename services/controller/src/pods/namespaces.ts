import type { Logger } from "pino";
import type { Clock } from "../clock.ts";
import { type ApiServer, isStatus, type KubeObject, pathOf, RESOURCES } from "../kube/api.ts";
import { LABELS } from "../names.ts";

/** Why the webhook does not see a namespace: its own label, or the values of the release. */
export type LeftOut = "label" | "release";

interface NamespacesOptions {
  api: Pick<ApiServer, "get">;
  clock: Clock;
  log: Logger;
  /** Those that the release leaves out. */
  excluded: readonly string[];
}

const KEPT_MS = 60_000;
const KEPT_MOST = 1_000;

/** Asked only about pods that the webhook missed, so namespaces are read one by one, not watched. */
export class Namespaces {
  private readonly options: NamespacesOptions;
  private readonly kept = new Map<string, { at: number; labelled: boolean }>();

  constructor(options: NamespacesOptions) {
    this.options = options;
  }

  /** Never rejects: a namespace that cannot be read counts as one that takes part. */
  async leftOut(name: string): Promise<LeftOut | undefined> {
    const { api, clock, log, excluded } = this.options;
    if (excluded.includes(name)) return "release";
    const before = this.kept.get(name);
    if (before && clock.now() - before.at < KEPT_MS) return before.labelled ? "label" : undefined;
    let labelled = false;
    try {
      const { metadata } = await api.get<KubeObject>(pathOf(RESOURCES.namespaces, undefined, name));
      labelled = metadata.labels?.[LABELS.inject] === "disabled";
    } catch (err) {
      if (!isStatus(err, 404)) log.debug({ err, name }, "a namespace could not be read");
    }
    this.kept.delete(name);
    this.kept.set(name, { at: clock.now(), labelled });
    if (this.kept.size > KEPT_MOST) this.kept.delete(this.kept.keys().next().value as string);
    return labelled ? "label" : undefined;
  }
}
