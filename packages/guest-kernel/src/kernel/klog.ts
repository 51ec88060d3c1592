/**
 * The kernel log (dmesg(1)): a ring of text, in the guest's region when there is one, so that the
 * agent can show it. Time comes in.
 */
export interface LogMemory {
  bytes: Uint8Array;
  /** Publishes the number of bytes ever written. */
  publish(tail: number): void;
}

export class KernelLog {
  private memory: LogMemory;
  private readonly seconds: () => number;
  private tail = 0;

  /** @param seconds since boot */
  constructor(seconds: () => number, bytes = 65536) {
    this.seconds = seconds;
    this.memory = { bytes: new Uint8Array(bytes), publish: () => {} };
  }

  write(message: string): void {
    const time = this.seconds().toFixed(6).padStart(12);
    this.append(new TextEncoder().encode(`[${time}] ${message}\n`));
  }

  private append(text: Uint8Array): void {
    const { bytes } = this.memory;
    for (const byte of text) {
      bytes[this.tail % bytes.length] = byte;
      this.tail = (this.tail + 1) >>> 0;
    }
    this.memory.publish(this.tail);
  }

  /** All text that is still in the ring. */
  text(): string {
    const { bytes } = this.memory;
    const length = Math.min(this.tail, bytes.length);
    const out = Buffer.alloc(length);
    for (let i = 0; i < length; i++) out[i] = bytes[(this.tail - length + i) % bytes.length]!;
    return out.toString("utf8");
  }

  /** Goes on in other memory (a new region), with what was logged before. */
  moveTo(memory: LogMemory): void {
    const before = Buffer.from(this.text());
    this.memory = memory;
    this.tail = 0;
    this.append(before);
  }
}
