/** Descriptor table of a process: the lowest free number is given out, up to RLIMIT_NOFILE. */
import { ERRNO } from "@outsock/abi";
import type { OpenFile } from "./open-file.ts";

export class DescriptorTable {
  private readonly files: (OpenFile | undefined)[] = [];
  private readonly limit: number;
  private lowestFree: number;
  private readonly first: number;

  /** @param first lowest number that is given out (the program's standard streams lie below) */
  constructor(limit: number, first = 3) {
    this.limit = limit;
    this.first = first;
    this.lowestFree = first;
  }

  private lowest(): number {
    let fd = this.lowestFree;
    while (this.files[fd] !== undefined) fd++;
    return fd;
  }

  /** True when every number is in use. */
  get full(): boolean {
    return this.lowest() >= this.limit;
  }

  /** @returns the descriptor, or -EMFILE */
  install(file: OpenFile): number {
    const fd = this.lowest();
    if (fd >= this.limit) return -ERRNO.EMFILE;
    this.files[fd] = file;
    this.lowestFree = fd + 1;
    file.references++;
    return fd;
  }

  get(fd: number): OpenFile | undefined {
    return this.files[fd];
  }

  /** @returns 0 or -EBADF */
  close(fd: number): number {
    const file = this.files[fd];
    if (file === undefined) return -ERRNO.EBADF;
    this.files[fd] = undefined;
    if (fd < this.lowestFree && fd >= this.first) this.lowestFree = fd;
    file.references--;
    if (file.references === 0) file.end();
    return 0;
  }

  entries(): [number, OpenFile][] {
    const entries: [number, OpenFile][] = [];
    for (const [fd, file] of this.files.entries()) if (file !== undefined) entries.push([fd, file]);
    return entries;
  }
}
