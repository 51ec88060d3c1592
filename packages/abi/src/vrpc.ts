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
  /** Agent to guest, unasked. */
  ACCEPTED: 64,
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
