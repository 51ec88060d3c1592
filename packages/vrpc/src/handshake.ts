/**
 * The handshake on the agent's unix socket: one line of JSON each way. The agent's answer to an
 * attaching guest carries the descriptor of its region (SCM_RIGHTS). From then on the connection
 * carries doorbells, one byte each, and its end of file means that the peer is gone.
 */
import { PROTOCOL_MAX, PROTOCOL_MIN } from "@outsock/abi";

export interface PublishRequest {
  address: string;
  /** Port on the host. */
  hostPort: number;
  /** Port of the guest's listener. */
  guestPort: number;
}

export interface AttachRequest {
  request: "attach";
  protocol: { min: number; max: number };
  /** Name of the guest; undefined = the agent picks one. */
  name?: string;
  /** Proves that this process belongs to a guest that is there already (its children, threads). */
  token?: string;
  /** Address that the guest had before its agent was restarted. */
  address?: string;
  /** Container of the pod that the process runs in. */
  container?: string;
  pid: number;
  program: string;
  publish: PublishRequest[];
  /** false keeps all connections of this process on the relay. */
  shortcut?: boolean;
}

/** On a pod's socket: a process that could have been a guest's runs natively. */
export interface UntouchedRequest {
  request: "untouched";
  container: string;
  /** Part of a sentence: why. */
  reason: string;
}

export interface AttachReply {
  ok: true;
  protocol: number;
  name: string;
  token: string;
  /** Process number within the guest, from 1. */
  process: number;
  address: string;
  regionBytes: number;
  /** Name servers for the guest's resolv.conf. */
  nameservers: string[];
  search: string[];
}

export interface Refusal {
  ok: false;
  /** One clear sentence. */
  error: string;
  code: string;
}

export interface ProcessStatus {
  process: number;
  pid: number;
  program: string;
  sockets: number;
  /** Bytes that the agent relayed. */
  bytes: number;
  /** Connections made so far by path name (`pathName` of abi). */
  paths: Record<string, number>;
  /** What the guest counts (COUNTERS of abi), its own word. */
  counters: Record<string, number>;
}

export interface GuestStatus {
  name: string;
  address: string;
  processes: ProcessStatus[];
  published: PublishRequest[];
}

export interface StatusReply {
  ok: true;
  pid: number;
  version: string;
  guests: GuestStatus[];
}

export interface KernelLogReply {
  ok: true;
  log: { process: number; text: string }[];
}

export type Request =
  | AttachRequest
  | UntouchedRequest
  | { request: "status" }
  | { request: "dmesg"; name: string };

/** Longest line of a handshake, bytes. */
export const HANDSHAKE_MAX_BYTES = 16384;

/** Highest version that both speak, undefined when there is none or the numbers make no sense. */
export function agreeVersion(min: number, max: number): number | undefined {
  if (!Number.isInteger(min) || !Number.isInteger(max)) return undefined;
  const version = Math.min(max, PROTOCOL_MAX);
  return version >= Math.max(min, PROTOCOL_MIN) ? version : undefined;
}
