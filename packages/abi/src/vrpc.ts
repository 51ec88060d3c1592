/** Opcodes and sizes of VRPC (packages/vrpc/README.md is the specification). */

export const OP = {
  /** Guest to agent. A reply carries the same opcode. */
  SOCKET: 1,
  BIND: 2,
  LISTEN: 3,
  CONNECT: 4,
  ACCEPT: 5,
  CLOSE: 6,
  SETSOCKOPT: 7,
  GETSOCKOPT: 8,
  RESOLVE: 9,
  DISCONNECT: 10,
  MEMBERSHIP: 11,
  /** From version 2 on: a shortcut of before the agent was started; its lifeline comes with it. */
  RESTORE: 12,
  /** From version 2 on: the peer of a pair is gone or broke the protocol. */
  PAIR_ENDED: 13,
  /** Agent to guest, unasked. */
  ACCEPTED: 64,
  /** From version 2 on: a pair region, whose descriptors wait on the descriptor channel. */
  PAIR: 65,
  /** From version 2 on: lifelines of shortcuts wait on the descriptor channel. */
  LIFELINES: 66,
} as const;
export type Opcode = (typeof OP)[keyof typeof OP];

/** Flags of OP.BIND. */
export const BIND_REUSEADDR = 1;
export const BIND_REUSEPORT = 2;
export const BIND_V6ONLY = 4;

/** Flags of OP.CLOSE. */
export const CLOSE_RESET = 1;

export const MESSAGE_HEADER_BYTES = 20;
export const MESSAGE_MAX_BYTES = 2048;
/** Bytes of an encoded endpoint: 16 address (IPv4 as ::ffff:a.b.c.d), u16 port, u16 family. */
export const ENDPOINT_BYTES = 20;
/** Header of a datagram in a datagram ring: u32 payload length, then an endpoint. */
export const DATAGRAM_HEADER_BYTES = 4 + ENDPOINT_BYTES;
/** Largest UDP payload over IPv4 (RFC 768, RFC 791). */
export const DATAGRAM_MAX_BYTES = 65507;

/** Side of a pair region that a guest has: whose words of the layout it writes. */
export const PAIR_SIDE_GUEST = 0;
export const PAIR_SIDE_AGENT = 1;

/** Why a guest says that a pair has ended (PAIR_ENDED). */
export const PAIR_GONE = 0;
export const PAIR_BROKEN = 1;
/** The guest has no descriptor or no memory for it. */
export const PAIR_REFUSED = 2;

/** Descriptors of one message on the descriptor channel, at most (SCM_MAX_FD is 253). */
export const DESCRIPTORS_MAX = 128;

/**
 * Why a connection goes the way it goes. 0 is the shortcut; all others stay on the relay.
 * The words are what users see (`outsock ps --connections`).
 */
export const PATH = {
  SHORTCUT: 0,
  REMOTE_PEER: 1,
  DISABLED: 2,
  OLD_PROTOCOL: 3,
  NO_ROOM: 4,
  NOT_IN_TIME: 5,
  NOT_PROVEN: 6,
  PEER_BROKEN: 7,
} as const;
export type Path = (typeof PATH)[keyof typeof PATH];

const PATH_NAMES: Record<number, string> = {
  [PATH.SHORTCUT]: "shortcut",
  [PATH.REMOTE_PEER]: "relay: remote peer",
  [PATH.DISABLED]: "relay: disabled",
  [PATH.OLD_PROTOCOL]: "relay: the peer or the guest speaks protocol version 1",
  [PATH.NO_ROOM]: "relay: no memory for a shortcut",
  [PATH.NOT_IN_TIME]: "relay: not accepted in time",
  [PATH.NOT_PROVEN]: "relay: not proven to be one connection",
  [PATH.PEER_BROKEN]: "relay: the peer broke the protocol of the shortcut before",
};

/** How `outsock ps` and the kernel log name a path. */
export function pathName(path: number): string {
  return PATH_NAMES[path] ?? `relay: ${path}`;
}
