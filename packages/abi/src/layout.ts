/**
 * Layout of a guest's region (see packages/vrpc/README.md, the specification).
 *
 * All words are little-endian 32-bit. Words that one side writes share no cache line with words
 * that the other side writes.
 */

/** "OSK1", the first word of every region. */
export const REGION_MAGIC = 0x314b534f;

/** Version of the region layout and of VRPC; both sides speak PROTOCOL_MIN..PROTOCOL_MAX. */
export const PROTOCOL_VERSION = 2;
export const PROTOCOL_MIN = 1;
export const PROTOCOL_MAX = 2;
/** From this version on there are shortcuts: pair regions and a channel for descriptors. */
export const PROTOCOL_SHORTCUT = 2;

/** Word indexes in the region's header page. */
export const HEADER = {
  MAGIC: 0,
  VERSION: 1,
  REGION_BYTES: 2,
  MAX_SOCKETS: 3,
  CCB_OFFSET: 4,
  QUEUE_CAPACITY: 5,
  TO_AGENT_QUEUE: 6,
  TO_GUEST_QUEUE: 7,
  KLOG_OFFSET: 8,
  KLOG_BYTES: 9,
  SLAB_OFFSET: 10,
  SLAB_BYTES: 11,
  CALL_RING: 12,
  REPLY_RING: 13,
  CALL_RING_BYTES: 14,
  /** Written by the guest: tail of the queue to the agent, head of the queue to the guest. */
  TO_AGENT_TAIL: 64,
  TO_GUEST_HEAD: 65,
  /** Bytes ever written to the kernel log (free running). */
  KLOG_TAIL: 66,
  /** Written by the agent: head of the queue to the agent, tail of the queue to the guest. */
  TO_AGENT_HEAD: 80,
  TO_GUEST_TAIL: 81,
  /** 1 while the guest sleeps and wants a doorbell; cleared by the agent when it rings. */
  GUEST_SLEEPING: 96,
  /** 1 while the agent sleeps and wants a doorbell; cleared by the guest when it rings. */
  AGENT_SLEEPING: 112,
  /** Written by the guest: its counters (COUNTERS), each 64 bits as two words, low word first. */
  COUNTERS: 128,
} as const;

/**
 * What a guest counts, in the order of the words from HEADER.COUNTERS on. All start at 0 and grow;
 * they are the guest's word, so they are shown and never relied on.
 */
export const COUNTERS = [
  "doorbellsSent",
  "doorbellsSaved",
  "wakeups",
  "polls",
  "relayBytes",
  "shortcutBytes",
] as const;
export type CounterName = (typeof COUNTERS)[number];

export const HEADER_BYTES = 4096;

/**
 * Connection control block (CCB), 128 bytes for each socket; socket 0 is the VRPC channel itself.
 * "tx" is guest to agent, "rx" is agent to guest.
 */
export const CCB_BYTES = 128;
export const CCB = {
  /** Written by the guest. */
  TX_TAIL: 0,
  RX_HEAD: 1,
  /** Bytes of free space that the guest waits for in tx; 0 = does not wait. */
  TX_WANT: 2,
  GUEST_FLAGS: 3,
  /** Events for the agent that it has not taken yet (EVENT bits). */
  TO_AGENT_PENDING: 4,
  /** log2 of the window of tx that is in use; 0 = all of it. */
  TX_WINDOW: 5,
  /** Written by the agent. */
  TX_HEAD: 16,
  RX_TAIL: 17,
  /** Bytes of free space that the agent waits for in rx; 0 = does not wait. */
  RX_WANT: 18,
  AGENT_FLAGS: 19,
  /** Events for the guest that it has not taken yet (EVENT bits). */
  TO_GUEST_PENDING: 20,
  /** errno (positive) that ended the connection, valid when AGENT_FLAGS has FLAG.RESET. */
  ERROR: 21,
  /** log2 of the window of rx that is in use; 0 = all of it. */
  RX_WINDOW: 22,
} as const;

/** Bits of an event entry. */
export const EVENT = {
  /** The peer put bytes (or a datagram, or a VRPC message) in its ring. */
  DATA: 1,
  /** The peer took bytes out of a ring whose producer waits for space. */
  SPACE: 2,
  /** End of stream: no byte will follow those in the ring. */
  FIN: 4,
  /** The connection is dead; CCB.ERROR says why. */
  RESET: 8,
} as const;

/** Bits of CCB.GUEST_FLAGS and CCB.AGENT_FLAGS. */
export const FLAG = {
  /** The writer of this word will put no more bytes in its ring. */
  FIN: 1,
  /** The connection is dead. */
  RESET: 2,
  /** In a pair: the writer of this word has closed, and reads no more. */
  CLOSED: 4,
  /** In a pair: the writer of this word has this connection, or had it. */
  JOINED: 8,
} as const;

/** Sizes of rings that the slab hands out, largest first; all powers of two. */
export const RING_CLASSES = [1024 * 1024, 256 * 1024, 64 * 1024, 16 * 1024, 4096] as const;
/** Least window of a ring. */
export const WINDOW_MIN_BYTES = 4096;
export const CALL_RING_BYTES = 64 * 1024;
export const KLOG_BYTES = 64 * 1024;

/** Guests number their own sockets below the half, the agent numbers accepted ones from it on. */
export const DEFAULT_MAX_SOCKETS = 32768;
/** Connections that a pair region has room for at a time, and its size; the memory is sparse. */
export const PAIR_MAX_SOCKETS = 16384;
export const PAIR_REGION_BYTES = 256 * 1024 * 1024;
export const DEFAULT_REGION_BYTES = 256 * 1024 * 1024;
/** Smallest region that holds the fixed parts and some rings. */
export const MIN_REGION_BYTES = 16 * 1024 * 1024;
