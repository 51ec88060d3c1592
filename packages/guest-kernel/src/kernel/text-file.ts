/** A file of the guest's file system whose text the kernel makes when it is opened. */
import { EPOLLIN } from "@outsock/abi";
import { OpenFile } from "./open-file.ts";

export class TextFile extends OpenFile {
  readonly kind = "file";
  private readonly bytes: Uint8Array;
  private at = 0;

  constructor(text: string) {
    super();
    this.bytes = new TextEncoder().encode(text);
  }

  poll(): number {
    return EPOLLIN;
  }

  override read(target: Uint8Array): number {
    const n = Math.min(target.length, this.bytes.length - this.at);
    target.set(this.bytes.subarray(this.at, this.at + n));
    this.at += n;
    return n;
  }

  override available(): number {
    return this.bytes.length - this.at;
  }

  release(): void {}
}
