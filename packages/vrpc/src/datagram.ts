/**
 * Datagrams in a ring: u32 payload length, an endpoint (destination in tx, source in rx), payload.
 * A datagram is written whole or not at all.
 */
import { DATAGRAM_HEADER_BYTES, DATAGRAM_MAX_BYTES } from "@outsock/abi";
import type { RingConsumer, RingProducer } from "@outsock/ring";
import { decodeEndpoint, type Endpoint, encodeEndpoint } from "./endpoint.ts";
import { MessageInvalid } from "./message.ts";

/**
 * @param wait asks the consumer to notify when it will fit; such a caller has refused what never
 * fits (EMSGSIZE): more than DATAGRAM_MAX_BYTES, or than the ring holds
 * @returns false when it does not fit now. @throws RingCorrupted
 */
export function writeDatagram(
  ring: RingProducer,
  endpoint: Endpoint,
  payload: Uint8Array,
  wait: boolean,
): boolean {
  const total = DATAGRAM_HEADER_BYTES + payload.length;
  // Over IPv6 a payload may be larger (65527 bytes); the peer would take it for a breach.
  if (payload.length > DATAGRAM_MAX_BYTES || total > ring.capacity) return false;
  if ((wait ? ring.freeOrWait(total) : ring.free()) < total) return false;
  const header = new Uint8Array(DATAGRAM_HEADER_BYTES);
  new DataView(header.buffer).setUint32(0, payload.length, true);
  encodeEndpoint(header, 4, endpoint);
  ring.writeAll(header, payload);
  return true;
}

export interface Datagram {
  endpoint: Endpoint;
  payload: Buffer;
  /** The producer waits for space: notify it. */
  notify: boolean;
}

/** @returns undefined when there is none. @throws MessageInvalid, RingCorrupted */
export function takeDatagram(ring: RingConsumer): Datagram | undefined {
  const available = ring.available();
  if (available === 0) return undefined;
  if (available < DATAGRAM_HEADER_BYTES) throw new MessageInvalid("datagram header is cut off");
  const header = new Uint8Array(DATAGRAM_HEADER_BYTES);
  ring.copyOut(header, 0, DATAGRAM_HEADER_BYTES);
  const length = new DataView(header.buffer).getUint32(0, true);
  if (length > DATAGRAM_MAX_BYTES || DATAGRAM_HEADER_BYTES + length > available) {
    throw new MessageInvalid(`datagram of ${length} bytes with ${available} in the ring`);
  }
  const endpoint = decodeEndpoint(header, 4);
  const payload = Buffer.allocUnsafe(length);
  ring.copyOut(payload, 0, length, DATAGRAM_HEADER_BYTES);
  const notify = ring.consume(DATAGRAM_HEADER_BYTES + length);
  return { endpoint, payload, notify };
}
