export { memoryHeadroom } from "./cgroup.ts";
export {
  closeFd,
  dupFd,
  flockExclusive,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  pollFds,
  setCloexec,
  shutdownFd,
  waitReadable,
  waitWritable,
} from "./descriptors.ts";
export { drainBytes, sendByte } from "./doorbell.ts";
export { EpollSet } from "./epoll.ts";
export { execve } from "./exec.ts";
export type { InetAddress } from "./inet-address.ts";
export {
  acceptInet,
  bindInet,
  connectInet,
  getpeername,
  getsockname,
  inetSocket,
  listenFd,
} from "./inet-socket.ts";
export { isSupported, SysError } from "./libc.ts";
export { getrlimit } from "./limits.ts";
export {
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  fileSize,
  ftruncate,
  getSeals,
  type Mapping,
  mapShared,
  memfdCreate,
  punchHole,
  sealRegion,
} from "./memory.ts";
export {
  bindMount,
  type MountFlags,
  type MountPoint,
  mountTmpfs,
  parseMountInfo,
  remountBind,
  unmount,
} from "./mounts.ts";
export {
  inNetworkNamespace,
  namespaceInode,
  namespaceOf,
  namespaceOwner,
  newNetworkNamespace,
  openNetworkNamespace,
  userNamespaceOf,
} from "./network-namespace.ts";
export {
  type PeerProcess,
  peerProcess,
  pidfdAlive,
  pidfdOpen,
  processStartTime,
} from "./processes.ts";
export { type ProcessorWatch, watchProcessors } from "./processors.ts";
export { denyInetSockets, holdsIoUring, inetSocketsDenied } from "./seccomp.ts";
export {
  getsockoptInt,
  IP_ADD_MEMBERSHIP,
  IP_BIND_ADDRESS_NO_PORT,
  IP_DROP_MEMBERSHIP,
  IP_MULTICAST_IF,
  IP_MULTICAST_LOOP,
  IP_MULTICAST_TTL,
  IP_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_MULTICAST_HOPS,
  IPV6_MULTICAST_IF,
  IPV6_MULTICAST_LOOP,
  IPV6_UNICAST_HOPS,
  IPV6_V6ONLY,
  SO_BROADCAST,
  SO_ERROR,
  SO_KEEPALIVE,
  SO_LINGER,
  SO_PEERCRED,
  SO_RCVBUF,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_SNDBUF,
  SOL_SOCKET,
  setLinger,
  setsockoptInt,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_NODELAY,
  tcpSequences,
} from "./socket-options.ts";
export {
  peerCredentials,
  recvWithFds,
  sendWithFds,
  socketpair,
  unixConnect,
} from "./unix-socket.ts";
