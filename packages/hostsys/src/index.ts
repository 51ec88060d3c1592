export {
  closeFd,
  drainBytes,
  dupFd,
  flockExclusive,
  POLLIN,
  POLLOUT,
  pollFds,
  sendByte,
  setCloexec,
  waitReadable,
} from "./descriptors.ts";
export { execve } from "./exec.ts";
export {
  bindInet,
  getpeername,
  getsockname,
  getsockoptInt,
  type InetAddress,
  inetSocket,
  listenFd,
  setsockoptInt,
} from "./inet-socket.ts";
export { isSupported, SysError } from "./libc.ts";
export { getrlimit, memoryHeadroom } from "./limits.ts";
export {
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  fileSize,
  ftruncate,
  getSeals,
  type Mapping,
  mapShared,
  memfdCreate,
  punchHole,
  sealRegion,
} from "./memory.ts";
export { denyInetSockets, inetSocketsDenied } from "./seccomp.ts";
export {
  peerCredentials,
  recvWithFds,
  sendWithFds,
  socketpair,
  unixConnect,
} from "./unix-socket.ts";
