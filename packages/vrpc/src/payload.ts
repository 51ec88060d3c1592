/**
 * Payloads of the calls: writer and reader of little-endian fields, and the records made of them.
 * packages/vrpc/README.md lists which call carries what.
 */
import { ENDPOINT_BYTES } from "@outsock/abi";
import { decodeEndpoint, type Endpoint, encodeEndpoint } from "./endpoint.ts";
import { MessageInvalid } from "./message.ts";

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class PayloadWriter {
  private bytes = new Uint8Array(128);
  private length = 0;

  private room(n: number): number {
    const at = this.length;
    this.length += n;
    if (this.length > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.length, this.bytes.length * 2));
      grown.set(this.bytes);
      this.bytes = grown;
    }
    return at;
  }

  u32(value: number): this {
    const at = this.room(4);
    this.bytes[at] = value;
    this.bytes[at + 1] = value >>> 8;
    this.bytes[at + 2] = value >>> 16;
    this.bytes[at + 3] = value >>> 24;
    return this;
  }

  endpoint(endpoint: Endpoint): this {
    const at = this.room(ENDPOINT_BYTES);
    encodeEndpoint(this.bytes, at, endpoint);
    return this;
  }

  rings(rings: RingPair): this {
    return this.u32(rings.txOffset).u32(rings.txCapacity).u32(rings.rxOffset).u32(rings.rxCapacity);
  }

  text(text: string): this {
    const encoded = new TextEncoder().encode(text);
    this.u32(encoded.length);
    const at = this.room(encoded.length);
    this.bytes.set(encoded, at);
    return this;
  }

  done(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}

/** Where the two rings of a socket lie: byte offsets in the region, capacities in bytes. */
export interface RingPair {
  txOffset: number;
  txCapacity: number;
  rxOffset: number;
  rxCapacity: number;
}

export class PayloadReader {
  private readonly bytes: Uint8Array;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** @throws MessageInvalid, like every method here, when the payload is too short */
  u32(): number {
    const { at, bytes } = this;
    if (at + 4 > bytes.length) throw new MessageInvalid("payload is cut off");
    this.at = at + 4;
    return (
      (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
    );
  }

  i32(): number {
    return this.u32() | 0;
  }

  endpoint(): Endpoint {
    const endpoint = decodeEndpoint(this.bytes, this.at);
    this.at += ENDPOINT_BYTES;
    return endpoint;
  }

  rings(): RingPair {
    return {
      txOffset: this.u32(),
      txCapacity: this.u32(),
      rxOffset: this.u32(),
      rxCapacity: this.u32(),
    };
  }

  text(): string {
    const length = this.u32();
    if (this.at + length > this.bytes.length) throw new MessageInvalid("text is cut off");
    const encoded = this.bytes.subarray(this.at, this.at + length);
    this.at += length;
    try {
      return UTF8.decode(encoded);
    } catch {
      throw new MessageInvalid("text is not UTF-8");
    }
  }

  /** @throws MessageInvalid when bytes are left over */
  end(): void {
    if (this.at !== this.bytes.length) throw new MessageInvalid("payload has bytes left over");
  }
}
