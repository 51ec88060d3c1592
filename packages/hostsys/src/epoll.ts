/**
 * epoll(7) on the host, for descriptors that Node does not watch: looked at from time to time,
 * never waited for.
 */
import { closeFd } from "./descriptors.ts";
import { check, ERRNO, lastErrno, libc, sysError } from "./libc.ts";

const EPOLL_CLOEXEC = 0x80000;
const CTL_ADD = 1;
const CTL_DEL = 2;
/** struct epoll_event is packed on x86_64 (12 bytes) and is not on arm64 (16 bytes). */
const EVENT_BYTES = process.arch === "x64" ? 12 : 16;
const DATA_AT = process.arch === "x64" ? 4 : 8;
const BATCH = 256;

export class EpollSet {
  private readonly fd: number;
  private readonly event = Buffer.from(new ArrayBuffer(EVENT_BYTES));
  private readonly events = Buffer.from(new ArrayBuffer(EVENT_BYTES * BATCH));

  /** @throws SysError EMFILE, ENFILE, ENOMEM */
  constructor() {
    const call = libc<(flags: number) => number>("int epoll_create1(int flags)");
    this.fd = check("epoll_create1", call(EPOLL_CLOEXEC));
  }

  private control(operation: number, fd: number, events: number): number {
    const call = libc<(epfd: number, op: number, fd: number, event: Buffer) => number>(
      "int epoll_ctl(int epfd, int op, int fd, void *event)",
    );
    this.event.writeUInt32LE(events, 0);
    this.event.writeInt32LE(fd, DATA_AT);
    return call(this.fd, operation, fd, this.event);
  }

  /**
   * Watches `fd` for `events`, and for EPOLLERR and EPOLLHUP in any case.
   * - The open file leaves the set only by `remove`, or once every descriptor of it is closed.
   * @throws SysError EEXIST, EPERM (a plain file), ENOSPC, ENOMEM, EBADF
   */
  add(fd: number, events: number): void {
    check("epoll_ctl", this.control(CTL_ADD, fd, events));
  }

  /** Never throws: `fd` may not be watched any more. */
  remove(fd: number): void {
    this.control(CTL_DEL, fd, 0);
  }

  /** What is ready now, at most 256 descriptors. @throws SysError EBADF */
  look(): { fd: number; events: number }[] {
    const call = libc<(epfd: number, events: Buffer, n: number, timeout: number) => number>(
      "int epoll_wait(int epfd, void *events, int maxevents, int timeout)",
    );
    const n = call(this.fd, this.events, BATCH, 0);
    if (n < 0) {
      if (lastErrno() === ERRNO.EINTR) return [];
      throw sysError("epoll_wait");
    }
    const ready: { fd: number; events: number }[] = [];
    for (let i = 0; i < n; i++) {
      const at = i * EVENT_BYTES;
      ready.push({
        fd: this.events.readInt32LE(at + DATA_AT),
        events: this.events.readUInt32LE(at),
      });
    }
    return ready;
  }

  close(): void {
    closeFd(this.fd);
  }
}
