/** pipe(7): a bounded byte queue with two ends. */
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, ERRNO } from "@outsock/abi";
import { OpenFile } from "./open-file.ts";

/** Default capacity on Linux. */
const PIPE_BYTES = 65536;
/** A write of so many bytes goes whole or not at all (pipe(7), PIPE_BUF). */
const ATOMIC_BYTES = 4096;

class Shared {
  chunks: Uint8Array[] = [];
  fill = 0;
  readEnd: PipeEnd | undefined;
  writeEnd: PipeEnd | undefined;
}

class PipeEnd extends OpenFile {
  readonly kind = "pipe";
  private readonly shared: Shared;
  private readonly reader: boolean;

  constructor(shared: Shared, reader: boolean) {
    super();
    this.shared = shared;
    this.reader = reader;
  }

  poll(): number {
    const { fill, readEnd, writeEnd } = this.shared;
    if (this.reader) {
      return (fill > 0 ? EPOLLIN : 0) | (writeEnd === undefined ? EPOLLHUP : 0);
    }
    return (
      (PIPE_BYTES - fill >= ATOMIC_BYTES ? EPOLLOUT : 0) | (readEnd === undefined ? EPOLLERR : 0)
    );
  }

  override read(target: Uint8Array): number {
    if (!this.reader) return -ERRNO.EBADF;
    const { shared } = this;
    if (shared.fill === 0) return shared.writeEnd === undefined ? 0 : -ERRNO.EAGAIN;
    let done = 0;
    while (done < target.length && shared.chunks.length > 0) {
      const chunk = shared.chunks[0]!;
      const n = Math.min(chunk.length, target.length - done);
      target.set(chunk.subarray(0, n), done);
      done += n;
      if (n === chunk.length) shared.chunks.shift();
      else shared.chunks[0] = chunk.subarray(n);
    }
    shared.fill -= done;
    shared.writeEnd?.changed();
    return done;
  }

  override write(source: Uint8Array): number {
    if (this.reader) return -ERRNO.EBADF;
    const { shared } = this;
    if (shared.readEnd === undefined) return -ERRNO.EPIPE;
    if (source.length === 0) return 0;
    const n = Math.min(source.length, PIPE_BYTES - shared.fill);
    if (n === 0 || (n < source.length && source.length <= ATOMIC_BYTES)) return -ERRNO.EAGAIN;
    shared.chunks.push(source.slice(0, n));
    shared.fill += n;
    shared.readEnd.changed();
    return n;
  }

  override available(): number {
    return this.reader ? this.shared.fill : 0;
  }

  release(): void {
    const { shared } = this;
    if (this.reader) {
      shared.readEnd = undefined;
      shared.chunks = [];
      shared.fill = 0;
      shared.writeEnd?.changed();
    } else {
      shared.writeEnd = undefined;
      shared.readEnd?.changed();
    }
  }
}

/** @returns [read end, write end] */
export function makePipe(): [OpenFile, OpenFile] {
  const shared = new Shared();
  shared.readEnd = new PipeEnd(shared, true);
  shared.writeEnd = new PipeEnd(shared, false);
  return [shared.readEnd, shared.writeEnd];
}
