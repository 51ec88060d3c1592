/** Bytes received and not yet read: a ring that grows with what is in it. */
const SMALLEST = 4096;

export class ByteQueue {
  private bytes = new Uint8Array(0);
  private head = 0;
  /** Bytes that are in it. */
  length = 0;

  push(data: Uint8Array): void {
    if (this.length + data.length > this.bytes.length) this.grow(this.length + data.length);
    const tail = (this.head + this.length) % this.bytes.length;
    const first = Math.min(data.length, this.bytes.length - tail);
    this.bytes.set(data.subarray(0, first), tail);
    this.bytes.set(data.subarray(first), 0);
    this.length += data.length;
  }

  /** @returns bytes moved to `target` */
  take(target: Uint8Array): number {
    const n = this.copyTo(target);
    this.length -= n;
    this.head = this.length === 0 ? 0 : (this.head + n) % this.bytes.length;
    return n;
  }

  clear(): void {
    this.bytes = new Uint8Array(0);
    this.head = 0;
    this.length = 0;
  }

  private copyTo(target: Uint8Array): number {
    const n = Math.min(target.length, this.length);
    const first = Math.min(n, this.bytes.length - this.head);
    target.set(this.bytes.subarray(this.head, this.head + first));
    target.set(this.bytes.subarray(0, n - first), first);
    return n;
  }

  private grow(needed: number): void {
    let capacity = Math.max(SMALLEST, this.bytes.length);
    while (capacity < needed) capacity *= 2;
    const bytes = new Uint8Array(capacity);
    this.copyTo(bytes);
    this.bytes = bytes;
    this.head = 0;
  }
}
