/**
 * Who is behind a connection on a pod's socket, by the kernel's word: SO_PEERCRED, /proc, and a
 * pidfd that shows afterwards that /proc spoke of that process.
 *
 * The socket lies in a volume of the pod alone, so whoever connects is of the pod, or got at its
 * volume. The process must be in the pod's network namespace (the one of the guest's processes
 * before it), in no namespace of the host, and where the kubelet has put it in a cgroup of a pod,
 * in that of this pod.
 */
import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import {
  closeFd,
  inNetworkNamespace,
  namespaceInode,
  namespaceOf,
  namespaceOwner,
  openNetworkNamespace,
  type PeerProcess,
  peerProcess,
  pidfdAlive,
  SysError,
  userNamespaceOf,
} from "@outsock/hostsys";
import { hasCapability } from "./capabilities.ts";
import { Refused } from "./region-memory.ts";

export interface PodProcess {
  pid: number;
  /** Descriptor of its network namespace; the caller closes it. */
  namespace: number;
  /** Names the namespace. */
  inode: string;
  /** It has CAP_NET_BIND_SERVICE where its network belongs to. */
  mayBindAll: boolean;
}

const UID = /[0-9a-f]{8}([-_]?[0-9a-f]{4}){3}[-_]?[0-9a-f]{12}/;
const POD_IN_CGROUP = new RegExp(`\\bpod(${UID.source})`, "g");

const plain = (uid: string): string => uid.replaceAll(/[-_]/g, "");

/**
 * False when the cgroups are those of pods and none is of this one. A pod's cgroup is named by its
 * uid (the kubelet's cgroup drivers; systemd's writes "_" for "-").
 * @param cgroups text of /proc/<pid>/cgroup
 */
export function cgroupsFit(cgroups: string, uid: string): boolean {
  const found = [...cgroups.matchAll(POD_IN_CGROUP)].map((match) => plain(match[1]!));
  return found.length === 0 || found.includes(plain(uid));
}

let host: Set<string> | undefined;

/** Network namespaces that are no pod's: the agent's own and the node's. */
function hostNamespaces(): Set<string> {
  if (host !== undefined) return host;
  const found = new Set([namespaceOf("self")]);
  try {
    found.add(namespaceOf(1));
  } catch {
    // Without hostPID there is another process 1, or none that may be looked at.
  }
  host = found;
  return found;
}

function inspect({ pid }: PeerProcess, uid: string, namespace: number): PodProcess {
  const inode = namespaceInode(namespace);
  if (hostNamespaces().has(inode)) {
    throw new Refused(
      "EACCES",
      "the process uses the network of the node (hostNetwork), which is no guest's; " +
        "annotate the pod outsock.dev/mode: native",
    );
  }
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  if (!cgroupsFit(readFileSync(`/proc/${pid}/cgroup`, "latin1"), uid)) {
    throw new Refused("EACCES", "the process belongs to another pod");
  }
  const mayBindAll =
    hasCapability(status, "NET_BIND_SERVICE") && namespaceOwner(namespace) === userNamespaceOf(pid);
  return { pid, namespace, inode, mayBindAll };
}

/** @throws Refused when it is not a process of the pod, or has ended */
export function podProcess(fd: number, uid: string): PodProcess {
  let peer: PeerProcess;
  try {
    peer = peerProcess(fd);
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    throw new Refused(
      "ESRCH",
      "the agent does not see the process that connected: it has ended, or the agent runs " +
        "without hostPID",
    );
  }
  let namespace = -1;
  try {
    namespace = openNetworkNamespace(peer.pid);
    const found = inspect(peer, uid, namespace);
    if (!pidfdAlive(peer.pidfd)) throw new Refused("ESRCH", "the process has ended");
    return found;
  } catch (error) {
    if (namespace !== -1) closeFd(namespace);
    if (error instanceof Refused) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Refused(code ?? "EIO", `the agent cannot look at process ${peer.pid}: ${message}`);
  } finally {
    closeFd(peer.pidfd);
  }
}

export interface NamespaceFacts {
  address: string;
  firstFreePort: number;
}

const PORT_START = "/proc/sys/net/ipv4/ip_unprivileged_port_start";

/** The first address that others reach; IPv4 before IPv6, as kubelet lists a pod's. */
function firstAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((infos) => infos ?? []);
  const outer = all.filter((info) => !info.internal && !info.address.startsWith("fe80:"));
  const found = outer.find((info) => info.family === "IPv4") ?? outer[0];
  return found?.address ?? "127.0.0.1";
}

/** What a network namespace says about itself. @throws SysError EPERM */
export function namespaceFacts(namespace: number): NamespaceFacts {
  return inNetworkNamespace(namespace, () => {
    // Both show the namespace of the thread that asks.
    let firstFreePort = 1024;
    try {
      firstFreePort = Number(readFileSync(PORT_START, "utf8")) || 0;
    } catch {
      // Before Linux 4.11 it is 1024 always.
    }
    return { address: firstAddress(), firstFreePort };
  });
}
