/** The door of one pod: every process of it that attaches is a process of the same guest. */
import { closeFd } from "@outsock/hostsys";
import type { AttachRequest, UntouchedRequest } from "@outsock/vrpc";
import type { Door, Entry } from "./door.ts";
import { Guest, type PodIdentity } from "./guest.ts";
import { PodPlan } from "./pod-plan.ts";
import { namespaceFacts, type PodProcess, podProcess } from "./pod-process.ts";
import { Refused } from "./region-memory.ts";

/** Each has a region and descriptors of the agent; the kubelet's own limit of a pod is of this kind. */
const PROCESSES_MAX = 1024;

/** Containers of one pod whose notes are kept. */
const NOTES_MAX = 64;

/** The pod's network, held from its first process to its last. */
interface Held {
  guest: Guest;
  namespace: number;
  inode: string;
  firstFreePort: number;
}

export class PodDoor implements Door {
  readonly pod: PodIdentity;
  private held: Held | undefined;
  /** Containers with Node processes that are no guests, and why; for the pod's life. */
  readonly untouchedReasons = new Map<string, string>();

  constructor(pod: PodIdentity) {
    this.pod = pod;
  }

  /** @throws Refused */
  enter(fd: number, request: AttachRequest): Entry {
    const found = podProcess(fd, this.pod.uid);
    const { held } = this;
    // A pod's network comes anew with its sandbox, when all its processes are gone.
    const over = held?.guest.processes.size === 0 && held.inode !== found.inode;
    if (held === undefined || over) return this.first(found, request);
    closeFd(found.namespace);
    if (held.inode !== found.inode) {
      throw new Refused("EACCES", "the process is not in the network namespace of the pod");
    }
    if (held.guest.processes.size >= PROCESSES_MAX) {
      throw new Refused("EAGAIN", `the pod has ${PROCESSES_MAX} guest processes already`);
    }
    return this.entry(held, found, request);
  }

  /** @throws Refused */
  untouched(fd: number, { container, reason }: UntouchedRequest): void {
    closeFd(podProcess(fd, this.pod.uid).namespace);
    const kept = this.untouchedReasons;
    if (kept.has(container) || kept.size < NOTES_MAX) kept.set(container, reason);
  }

  private first(found: PodProcess, request: AttachRequest): Entry {
    const { namespace, inode } = found;
    try {
      const { address, firstFreePort } = namespaceFacts(namespace);
      const guest = new Guest({
        key: `pod:${this.pod.uid}:${inode}`,
        name: `${this.pod.namespace}/${this.pod.name}`,
        pod: this.pod,
        plan: new PodPlan({ namespace, address, firstFreePort }),
        // The guest reads the files of its container.
        resolver: { nameservers: [], search: [] },
        publish: [],
        trouble: () => {},
        token: undefined,
        release: () => {
          closeFd(namespace);
          if (this.held?.guest === guest) this.held = undefined;
        },
      });
      this.held = { guest, namespace, inode, firstFreePort };
      return this.entry(this.held, found, request);
    } catch (error) {
      closeFd(namespace);
      const { code, message } = error as NodeJS.ErrnoException;
      throw new Refused(code ?? "EIO", `the agent cannot enter the pod's network: ${message}`);
    }
  }

  private entry(held: Held, found: PodProcess, request: AttachRequest): Entry {
    const { guest, namespace, firstFreePort } = held;
    const { pid, mayBindAll } = found;
    const { address } = guest.plan;
    return {
      guest,
      // Rights are the process's, the rest is the pod's.
      plan: new PodPlan({ namespace, address, firstFreePort, mayBindAll }),
      pid,
      container: request.container,
    };
  }
}
