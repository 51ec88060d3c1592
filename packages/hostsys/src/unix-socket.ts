/** Unix sockets: socketpair(2), descriptors in messages (unix(7), cmsg(3)), SO_PEERCRED. */
import { AF_UNIX, SOCK_STREAM, SOL_SOCKET } from "@outsock/abi";
import { closeFd } from "./descriptors.ts";
import {
  check,
  ERRNO,
  fcntl,
  fixedMemory,
  lastErrno,
  libc,
  SysError,
  sysError,
  whole,
} from "./libc.ts";
import { getsockoptBytes, SO_PEERCRED } from "./socket-options.ts";

const SOCK_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x80000;
const SCM_RIGHTS = 1;
const MSG_CTRUNC = 8;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
/** sizeof(sun_path) without the NUL behind it. */
const PATH_MAX = 107;
const F_GETFL = 3;
const F_SETFL = 4;
const O_NONBLOCK = 0x800;

/**
 * socketpair(2): two connected stream sockets, both nonblocking and closed on exec.
 * @throws SysError EMFILE, ENFILE
 */
export function socketpair(): [number, number] {
  const call = libc<(d: number, t: number, p: number, fds: Int32Array) => number>(
    "int socketpair(int domain, int type, int protocol, void *fds)",
  );
  const fds = new Int32Array(2);
  check("socketpair", call(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
  return [fds[0]!, fds[1]!];
}

/**
 * connect(2) to a stream socket in the file system; blocks while its backlog is full. The result
 * is nonblocking and closed on exec.
 * @param path 1 to 107 bytes
 * @throws SysError ENOENT, ECONNREFUSED (nobody listens), EACCES, ENAMETOOLONG, ENOTDIR,
 *   EPROTOTYPE (no stream socket), EMFILE
 */
export function unixConnect(path: string): number {
  const name = Buffer.from(path);
  if (name.length > PATH_MAX) {
    throw new SysError("connect", ERRNO.ENAMETOOLONG, `path is longer than ${PATH_MAX} bytes`);
  }
  // An empty name, or one that starts with NUL, would be of the abstract kind (unix(7)).
  if (name.length === 0 || name.includes(0)) throw sysError("connect", ERRNO.ENOENT);
  const address = Buffer.alloc(2 + PATH_MAX + 1);
  address.writeUInt16LE(AF_UNIX, 0);
  name.copy(address, 2);
  const socket = libc<(d: number, t: number, p: number) => number>(
    "int socket(int domain, int type, int protocol)",
  );
  const fd = check("socket", socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const connect = libc<(fd: number, address: Buffer, length: number) => number>(
    "int connect(int fd, const void *address, unsigned int length)",
  );
  while (connect(fd, address, address.length) < 0) {
    const errno = lastErrno();
    if (errno === ERRNO.EINTR) continue;
    closeFd(fd);
    throw sysError("connect", errno);
  }
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL, 0) | O_NONBLOCK);
  return fd;
}

/** struct cmsghdr { size_t len; int level; int type; } and the descriptors behind it. */
const CMSG_HEADER = 16;
const aligned = (n: number): number => (n + 7) & ~7;

/**
 * struct msghdr of 64-bit Linux (56 bytes): name, name length, iov, iov count, control, control
 * length, flags; then struct iovec: base, length.
 */
const MSG_IOV = 16;
const MSG_IOVLEN = 24;
const MSG_CONTROL = 32;
const MSG_CONTROLLEN = 40;
const MSG_FLAGS = 48;
const MSGHDR = 56;
const IOVEC = 16;

interface MessageMemory {
  header: Buffer;
  control: Buffer;
  data: Buffer;
}

let held: ReturnType<typeof fixedMemory> | undefined;

/** One block for all parts of a message, kept and reused: header, iovec, control, data. */
function messageMemory(dataBytes: number, controlBytes: number): MessageMemory {
  const controlAt = MSGHDR + IOVEC;
  const dataAt = controlAt + aligned(controlBytes);
  if (held === undefined || held.bytes.length < dataAt + dataBytes) {
    held = fixedMemory(Math.max(dataAt + dataBytes, 4096));
  }
  const { bytes, address } = held;
  bytes.fill(0, 0, dataAt);
  bytes.writeBigUInt64LE(address + BigInt(MSGHDR), MSG_IOV);
  bytes.writeBigUInt64LE(1n, MSG_IOVLEN);
  if (controlBytes > 0) {
    bytes.writeBigUInt64LE(address + BigInt(controlAt), MSG_CONTROL);
    bytes.writeBigUInt64LE(BigInt(controlBytes), MSG_CONTROLLEN);
  }
  bytes.writeBigUInt64LE(address + BigInt(dataAt), MSGHDR);
  bytes.writeBigUInt64LE(BigInt(dataBytes), MSGHDR + 8);
  return {
    header: bytes.subarray(0, MSGHDR),
    control: bytes.subarray(controlAt, controlAt + controlBytes),
    data: bytes.subarray(dataAt, dataAt + dataBytes),
  };
}

/**
 * sendmsg(2): sends bytes and descriptors with them, without waiting and without SIGPIPE. The
 * descriptors go with the first byte and stay open here.
 * @param fds at most 253 (SCM_MAX_FD)
 * @returns bytes sent, perhaps fewer than given
 * @throws SysError EPIPE, EAGAIN, EBADF, EINVAL (descriptors without a byte, or too many),
 *   ETOOMANYREFS (too many in flight)
 */
export function sendWithFds(sock: number, data: Uint8Array, fds: readonly number[]): number {
  if (data.length === 0 && fds.length > 0) {
    throw new SysError("sendmsg", ERRNO.EINVAL, "descriptors need a byte to go with");
  }
  const controlBytes = fds.length === 0 ? 0 : CMSG_HEADER + fds.length * 4;
  const memory = messageMemory(data.length, controlBytes);
  memory.data.set(data);
  if (fds.length > 0) {
    memory.control.writeBigUInt64LE(BigInt(controlBytes), 0);
    memory.control.writeInt32LE(SOL_SOCKET, 8);
    memory.control.writeInt32LE(SCM_RIGHTS, 12);
    for (const [i, fd] of fds.entries()) memory.control.writeInt32LE(fd, CMSG_HEADER + i * 4);
  }
  const call = libc<(fd: number, header: Buffer, flags: number) => number>(
    "long sendmsg(int fd, const void *header, int flags)",
  );
  return check("sendmsg", call(sock, memory.header, MSG_NOSIGNAL | MSG_DONTWAIT));
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
 * recvmsg(2): takes bytes and descriptors (closed on exec) without waiting. When more descriptors
 * come than allowed, or than this process can hold, all of them are closed and the call throws.
 * @returns null when nothing is there (EAGAIN); data of length 0 is the end
 * @throws SysError EMSGSIZE (more than `maxFds`), EMFILE, ECONNRESET, EBADF, EINVAL
 */
export function recvWithFds(
  sock: number,
  maxBytes: number,
  maxFds: number,
): { data: Buffer; fds: number[] } | null {
  whole("recvmsg", "maxBytes", maxBytes, 1);
  whole("recvmsg", "maxFds", maxFds);
  const memory = messageMemory(maxBytes, CMSG_HEADER + maxFds * 4);
  const call = libc<(fd: number, header: Buffer, flags: number) => number>(
    "long recvmsg(int fd, void *header, int flags)",
  );
  const n = call(sock, memory.header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n < 0) {
    if (lastErrno() === ERRNO.EAGAIN) return null;
    throw sysError("recvmsg");
  }
  const fds = receivedFds(
    memory.control.subarray(0, Number(memory.header.readBigUInt64LE(MSG_CONTROLLEN))),
  );
  const truncated = (memory.header.readInt32LE(MSG_FLAGS) & MSG_CTRUNC) !== 0;
  if (truncated || fds.length > maxFds) {
    for (const fd of fds) closeFd(fd);
    // The kernel stops early at RLIMIT_NOFILE, with the same flag as for lack of room.
    if (fds.length < maxFds) throw sysError("recvmsg", ERRNO.EMFILE);
    throw new SysError("recvmsg", ERRNO.EMSGSIZE, `more than ${maxFds} descriptors were sent`);
  }
  return { data: Buffer.from(memory.data.subarray(0, n)), fds };
}

/**
 * Process, user and group that connected or made the pair (unix(7), SO_PEERCRED); of a socket that
 * is no connected unix socket pid 0, uid and gid 4294967295.
 * @throws SysError EBADF, ENOTSOCK
 */
export function peerCredentials(fd: number): { pid: number; uid: number; gid: number } {
  const bytes = getsockoptBytes(fd, SOL_SOCKET, SO_PEERCRED, 12);
  return { pid: bytes.readInt32LE(0), uid: bytes.readUInt32LE(4), gid: bytes.readUInt32LE(8) };
}
