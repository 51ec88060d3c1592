/**
 * Messages of VRPC on a byte ring: a checked copy first, then a plain value.
 *
 * Header (20 bytes, little-endian): u32 length of the whole message, u16 opcode, u16 zero,
 * u32 sequence number, u32 socket, i32 status (0 or a positive errno). The payload follows.
 */
import { MESSAGE_HEADER_BYTES, MESSAGE_MAX_BYTES } from "@outsock/abi";
import type { RingConsumer, RingProducer } from "@outsock/ring";

/** The peer sent bytes that are no message: its session must end. */
export class MessageInvalid extends Error {
  readonly code = "ERR_OUTSOCK_MESSAGE_INVALID";
}

export interface Message {
  opcode: number;
  sequence: number;
  socket: number;
  /** 0, or a positive errno. */
  status: number;
  payload: Uint8Array;
}

export function encodeMessage(message: Message): Uint8Array {
  const { payload } = message;
  const length = MESSAGE_HEADER_BYTES + payload.length;
  if (length > MESSAGE_MAX_BYTES) throw new MessageInvalid(`message of ${length} bytes`);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length, true);
  view.setUint16(4, message.opcode, true);
  view.setUint32(8, message.sequence, true);
  view.setUint32(12, message.socket, true);
  view.setInt32(16, message.status, true);
  bytes.set(payload, MESSAGE_HEADER_BYTES);
  return bytes;
}

/**
 * Takes the next whole message out of `ring`.
 * @returns undefined when there is none
 * @throws MessageInvalid, RingCorrupted
 */
export function takeMessage(ring: RingConsumer): { message: Message; notify: boolean } | undefined {
  const available = ring.available();
  if (available === 0) return undefined;
  if (available < MESSAGE_HEADER_BYTES) throw new MessageInvalid("message header is cut off");
  const head = new Uint8Array(4);
  ring.copyOut(head, 0, 4);
  const length = new DataView(head.buffer).getUint32(0, true);
  if (length < MESSAGE_HEADER_BYTES || length > MESSAGE_MAX_BYTES || length > available) {
    throw new MessageInvalid(`message length ${length} with ${available} bytes in the ring`);
  }
  // One copy, then only the copy is looked at: the peer can still write to the ring. The length
  // was read before and is not read again.
  const bytes = new Uint8Array(length);
  ring.copyOut(bytes, 0, length);
  const notify = ring.consume(length);
  const view = new DataView(bytes.buffer);
  if (view.getUint16(6, true) !== 0) throw new MessageInvalid("reserved header bits are set");
  return {
    message: {
      opcode: view.getUint16(4, true),
      sequence: view.getUint32(8, true),
      socket: view.getUint32(12, true),
      status: view.getInt32(16, true),
      payload: bytes.subarray(MESSAGE_HEADER_BYTES),
    },
    notify,
  };
}

/** Quiet messages in a row that a peer is not told of; all of them fit in the smallest ring. */
const QUIET_MAX = 32;

/** Sends messages in order; keeps those that do not fit until `flush()`. */
export class MessageSender {
  private readonly ring: RingProducer;
  private readonly notify: () => void;
  private readonly limit: number;
  private queue: Uint8Array[] = [];
  /** Quiet messages that the peer was not told of. */
  private untold = 0;

  /**
   * @param notify tells the peer that the ring has a message
   * @param limit messages that may wait for room; one more throws
   */
  constructor(ring: RingProducer, notify: () => void, limit: number) {
    this.ring = ring;
    this.notify = notify;
    this.limit = limit;
  }

  /** Messages that wait for room. */
  get waiting(): number {
    return this.queue.length;
  }

  /**
   * @param quiet the peer need not look now: it takes the message with the next one that it is told
   *   of. Many quiet messages are told of all the same, before they fill the ring.
   * @throws RingCorrupted; MessageInvalid when too many messages wait for the peer
   */
  send(message: Message, quiet = false): void {
    const bytes = encodeMessage(message);
    if (this.queue.length > 0 || this.ring.freeOrWait(bytes.length) < bytes.length) {
      if (this.queue.length >= this.limit) {
        throw new MessageInvalid(`the peer left ${this.limit} messages unread`);
      }
      this.queue.push(bytes);
      return;
    }
    // Not write(), which would look at the peer's index a second time.
    this.ring.writeAll(bytes);
    if (quiet) {
      this.untold++;
      if (this.untold < QUIET_MAX) return;
    }
    this.untold = 0;
    this.notify();
  }

  /** Tells the peer of messages that were sent quietly. */
  tell(): void {
    if (this.untold === 0) return;
    this.untold = 0;
    this.notify();
  }

  /** Sends what waited; call it when the peer says that it took messages. */
  flush(): void {
    let sent = 0;
    for (const bytes of this.queue) {
      if (this.ring.freeOrWait(bytes.length) < bytes.length) break;
      this.ring.writeAll(bytes);
      sent++;
    }
    if (sent === 0) return;
    this.queue = this.queue.slice(sent);
    this.notify();
  }
}
