/**
 * The pods of this node that may have guests: one listening socket for each, in a directory that
 * the volume driver shows to that pod alone, and what the kubelet said of the pod beside it. An
 * agent that starts finds them there and listens again at the same paths, so that guests attach
 * again by themselves.
 */
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import type { Agent } from "./agent.ts";
import type { AgentLog } from "./agent-log.ts";
import type { PodIdentity } from "./guest.ts";
import { PodDoor } from "./pod-door.ts";
import { Refused } from "./region-memory.ts";

export interface PodRecord extends PodIdentity {
  volumeId: string;
}

/** Uids become names of directories. */
const UID = /^[0-9a-zA-Z][0-9a-zA-Z-]{0,63}$/;
/** DNS subdomain (RFC 1123), which names of pods, namespaces and service accounts are. */
const NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

/** Of one pod's socket; those that do not attach within seconds are closed. */
const CONNECTIONS_MAX = 2048;

const SOCKET = "agent.sock";
const RECORD = "pod.json";

/** @throws Refused */
export function checkPod(value: unknown): PodRecord {
  const fields = (typeof value === "object" && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  const text = (key: string, pattern: RegExp): string => {
    const found = fields[key];
    if (typeof found === "string" && pattern.test(found)) return found;
    throw new Refused("EINVAL", `the pod's ${key} is missing or malformed`);
  };
  return {
    uid: text("uid", UID),
    name: text("name", NAME),
    namespace: text("namespace", NAME),
    serviceAccount: fields.serviceAccount === "" ? "" : text("serviceAccount", NAME),
    volumeId: text("volumeId", /^[\w.-]{1,256}$/),
  };
}

function checkUid(value: unknown): string {
  if (typeof value === "string" && UID.test(value)) return value;
  throw new Refused("EINVAL", "the pod's uid is missing or malformed");
}

interface Listening {
  pod: PodRecord;
  server: Server;
  door: PodDoor;
}

/** A container with Node processes that are no guests. */
export interface UntouchedContainer {
  namespace: string;
  pod: string;
  uid: string;
  container: string;
  reason: string;
}

export class PodRegistry {
  private readonly directory: string;
  private readonly agent: Agent;
  private readonly log: AgentLog;
  private readonly listening = new Map<string, Listening>();
  /** Changes of pods come one after the other. */
  private last: Promise<unknown> = Promise.resolve();

  /** @param directory holds one directory for each pod */
  constructor(directory: string, agent: Agent, log: AgentLog) {
    this.directory = directory;
    this.agent = agent;
    this.log = log;
  }

  get pods(): PodRecord[] {
    return [...this.listening.values()].map(({ pod }) => pod);
  }

  get untouched(): UntouchedContainer[] {
    return [...this.listening.values()].flatMap(({ pod, door }) =>
      [...door.untouchedReasons].map(([container, reason]) => ({
        namespace: pod.namespace,
        pod: pod.name,
        uid: pod.uid,
        container,
        reason,
      })),
    );
  }

  /** Listens again for the pods of before. */
  load(): Promise<void> {
    return this.inOrder(async () => {
      await mkdir(this.directory, { recursive: true, mode: 0o755 });
      await chmod(this.directory, 0o755);
      for (const uid of await readdir(this.directory)) {
        try {
          const text = await readFile(join(this.directory, uid, RECORD), "utf8");
          const pod = checkPod(JSON.parse(text));
          if (pod.uid !== uid) throw new Error(`${RECORD} is of pod ${pod.uid}`);
          await this.listen(pod);
        } catch (error) {
          const reason = (error as Error).message;
          this.log.warn({ uid, reason }, "a directory of a pod is not understood; left alone");
        }
      }
    });
  }

  /** A pod of this node wants guests. @returns its directory. @throws Refused */
  add(value: unknown): Promise<string> {
    const pod = checkPod(value);
    return this.inOrder(async () => {
      const directory = join(this.directory, pod.uid);
      if (!this.listening.has(pod.uid)) {
        await mkdir(directory, { recursive: true, mode: 0o755 });
        await chmod(directory, 0o755);
        const record = join(directory, RECORD);
        await writeFile(`${record}.new`, JSON.stringify(pod), { mode: 0o644 });
        await rename(`${record}.new`, record);
        await this.listen(pod);
        const { uid, name, namespace } = pod;
        this.log.info({ uid, pod: `${namespace}/${name}` }, "listening for a pod");
      }
      return directory;
    });
  }

  /** The pod is gone. Not knowing it is no error. @throws Refused */
  remove(value: unknown): Promise<void> {
    const uid = checkUid(value);
    return this.inOrder(async () => {
      const found = this.listening.get(uid);
      this.listening.delete(uid);
      // Takes the socket's file away too; connections end with their processes.
      found?.server.close();
      await rm(join(this.directory, uid), { recursive: true, force: true });
      if (found !== undefined) this.log.info({ uid }, "pod gone");
    });
  }

  /** Stops to listen; the directories stay for the agent that comes next. */
  close(): Promise<void> {
    return this.inOrder(async () => {
      for (const { server } of this.listening.values()) server.close();
      this.listening.clear();
    });
  }

  private async listen(pod: PodRecord): Promise<void> {
    const path = join(this.directory, pod.uid, SOCKET);
    const door = new PodDoor(pod);
    const server = createServer((socket) => this.agent.welcome(socket, door));
    server.maxConnections = CONNECTIONS_MAX;
    // A killed agent's.
    await rm(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(path, resolve);
    });
    // Whoever of the pod, as any user; others do not see the directory.
    await chmod(path, 0o666);
    this.listening.set(pod.uid, { pod, server, door });
  }

  private inOrder<T>(work: () => Promise<T>): Promise<T> {
    const next = this.last.then(work, work);
    this.last = next.catch(() => {});
    return next;
  }
}
