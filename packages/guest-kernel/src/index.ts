export { KERNEL_RELEASE, Kernel, type KernelOptions } from "./kernel/kernel.ts";
export type { PollEntry } from "./kernel/syscalls.ts";
export { Syscalls } from "./kernel/syscalls.ts";
export type { ProtocolFamily, SocketAddress } from "./net/protocol-family.ts";
export { SocketFile } from "./net/protocol-family.ts";
export {
  type HostModules,
  makeKernel,
  mountOutsourced,
  mountPassthrough,
  mountUnix,
} from "./runtime/mount.ts";
