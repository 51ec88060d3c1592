/** Unix sockets: socketpair(2), descriptors in messages (unix(7), SCM_RIGHTS), SO_PEERCRED. */
import { closeFd } from "./descriptors.ts";
import { check, ffi, lastErrno, libc, SysError, sysError } from "./libc.ts";

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x80000;
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const SCM_RIGHTS = 1;
const MSG_CTRUNC = 8;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const EAGAIN = 11;
const PATH_MAX = 107;
/** struct cmsghdr: size_t length, int level, int type. */
const CMSG_HEADER = 16;
const F_GETFL = 3;
const F_SETFL = 4;
const O_NONBLOCK = 0x800;

/** Two connected stream sockets. @throws SysError EMFILE */
export function socketpair(): [number, number] {
  const call = libc<(d: number, t: number, p: number, fds: Int32Array) => number>(
    "int socketpair(int domain, int type, int protocol, void *fds)",
  );
  const fds = new Int32Array(2);
  check("socketpair", call(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
  return [fds[0]!, fds[1]!];
}

/** Connects to a stream socket in the file system. @throws SysError ENOENT, ECONNREFUSED, EACCES */
export function unixConnect(path: string): number {
  const name = Buffer.from(path);
  if (name.length > PATH_MAX) {
    throw new SysError("connect", 36, `path is longer than ${PATH_MAX} bytes`, "ENAMETOOLONG");
  }
  const address = Buffer.alloc(110);
  address.writeUInt16LE(AF_UNIX, 0);
  name.copy(address, 2);
  const fd = check(
    "socket",
    libc<(d: number, t: number, p: number) => number>(
      "int socket(int domain, int type, int protocol)",
    )(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
  );
  const connect = libc<(fd: number, address: Buffer, length: number) => number>(
    "int connect(int fd, const void *address, unsigned int length)",
  );
  if (connect(fd, address, address.length) < 0) {
    const error = sysError("connect");
    closeFd(fd);
    throw error;
  }
  const fcntl = libc<(fd: number, command: number, kind: string, argument: number) => number>(
    "int fcntl(int fd, int command, ...)",
  );
  fcntl(fd, F_SETFL, "int", fcntl(fd, F_GETFL, "int", 0) | O_NONBLOCK);
  return fd;
}

/**
 * struct msghdr of 64-bit Linux (56 bytes): name, name length, iov, iov count, control, control
 * length, flags. The buffers it points to must stay alive over the call.
 */
function messageHeader(data: Uint8Array, control: Buffer): { header: Buffer; iov: Buffer } {
  const address = (buffer: Uint8Array): bigint => BigInt(ffi().address(buffer as never) as never);
  const iov = Buffer.alloc(16);
  iov.writeBigUInt64LE(data.length === 0 ? 0n : address(data), 0);
  iov.writeBigUInt64LE(BigInt(data.length), 8);
  const header = Buffer.alloc(56);
  header.writeBigUInt64LE(address(iov), 16);
  header.writeBigUInt64LE(1n, 24);
  if (control.length > 0) header.writeBigUInt64LE(address(control), 32);
  header.writeBigUInt64LE(BigInt(control.length), 40);
  return { header, iov };
}

const aligned = (n: number): number => (n + 7) & ~7;

/** Sends bytes, and descriptors with them. @returns bytes sent. @throws SysError EPIPE, EAGAIN */
export function sendWithFds(socket: number, data: Uint8Array, fds: readonly number[]): number {
  let control = Buffer.alloc(0);
  if (fds.length > 0) {
    const length = CMSG_HEADER + fds.length * 4;
    control = Buffer.alloc(aligned(length));
    control.writeBigUInt64LE(BigInt(length), 0);
    control.writeInt32LE(SOL_SOCKET, 8);
    control.writeInt32LE(SCM_RIGHTS, 12);
    for (const [i, fd] of fds.entries()) control.writeInt32LE(fd, CMSG_HEADER + i * 4);
  }
  const { header, iov } = messageHeader(data, control);
  const call = libc<(fd: number, header: Buffer, flags: number) => number>(
    "long sendmsg(int fd, const void *header, int flags)",
  );
  const sent = Number(call(socket, header, MSG_NOSIGNAL | MSG_DONTWAIT));
  const error = sent < 0 ? sysError("sendmsg") : undefined;
  // Keeps what the header points to alive over the call.
  void iov.length;
  if (error !== undefined) throw error;
  return sent;
}

/** Descriptors of all SCM_RIGHTS messages in a control buffer. */
function receivedFds(control: Buffer): number[] {
  const fds: number[] = [];
  for (let at = 0; at + CMSG_HEADER <= control.length; ) {
    const length = Number(control.readBigUInt64LE(at));
    if (length < CMSG_HEADER || at + length > control.length) break;
    const rights =
      control.readInt32LE(at + 8) === SOL_SOCKET && control.readInt32LE(at + 12) === SCM_RIGHTS;
    if (rights) {
      for (let i = at + CMSG_HEADER; i + 4 <= at + length; i += 4) fds.push(control.readInt32LE(i));
    }
    at += aligned(length);
  }
  return fds;
}

/**
 * Receives bytes and at most `maxFds` descriptors; any more are closed and the call throws.
 * @returns null when nothing is there; data of length 0 is the end
 */
export function recvWithFds(
  socket: number,
  maxBytes: number,
  maxFds: number,
): { data: Buffer; fds: number[] } | null {
  const data = Buffer.alloc(maxBytes);
  const control = Buffer.alloc(aligned(CMSG_HEADER + maxFds * 4));
  const { header, iov } = messageHeader(data, control);
  const call = libc<(fd: number, header: Buffer, flags: number) => number>(
    "long recvmsg(int fd, void *header, int flags)",
  );
  const n = Number(call(socket, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
  if (n < 0) {
    if (lastErrno() === EAGAIN) return null;
    throw sysError("recvmsg");
  }
  void iov.length;
  const fds = receivedFds(control.subarray(0, Number(header.readBigUInt64LE(40))));
  const truncated = (header.readInt32LE(48) & MSG_CTRUNC) !== 0;
  if (truncated || fds.length > maxFds) {
    for (const fd of fds) closeFd(fd);
    throw new SysError("recvmsg", 90, `more than ${maxFds} descriptors were sent`, "EMSGSIZE");
  }
  return { data: data.subarray(0, n), fds };
}

/** Who is on the other side of a connected unix socket. @throws SysError */
export function peerCredentials(fd: number): { pid: number; uid: number; gid: number } {
  const call = libc<
    (fd: number, level: number, name: number, value: Int32Array, length: Uint32Array) => number
  >("int getsockopt(int fd, int level, int name, void *value, void *length)");
  const value = new Int32Array(3);
  check("getsockopt", call(fd, SOL_SOCKET, SO_PEERCRED, value, new Uint32Array([12])));
  return { pid: value[0]!, uid: value[1]!, gid: value[2]! };
}
