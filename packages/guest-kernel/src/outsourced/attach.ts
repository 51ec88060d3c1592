/**
 * Attaching to the host agent: connects to its unix socket, sends one line, and gets back one line
 * with the region's descriptor (packages/vrpc/README.md, Handshake).
 */
import { PROTOCOL_SHORTCUT } from "@outsock/abi";
import {
  closeFd,
  F_SEAL_GROW,
  F_SEAL_SHRINK,
  getSeals,
  type Mapping,
  mapShared,
  recvWithFds,
  sendWithFds,
  unixConnect,
  waitReadable,
} from "@outsock/hostsys";
import { openRegion, type RegionLayout, type SharedMemory, sharedMemory } from "@outsock/ring";
import {
  type AttachReply,
  type AttachRequest,
  HANDSHAKE_MAX_BYTES,
  type Refusal,
} from "@outsock/vrpc";

/** The agent said no, or is not there. The message is one sentence for the user. */
export class AttachError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export interface Attachment {
  /** Connection to the agent: doorbells, and its end of life. */
  fd: number;
  /** Descriptors come here, announced by messages; -1 in version 1. */
  channelFd: number;
  reply: AttachReply;
  mapping: Mapping;
  memory: SharedMemory;
  layout: RegionLayout;
}

/** A handshake under way; `poll()` until it gives an attachment. */
export class Handshake {
  readonly fd: number;
  private line = Buffer.alloc(0);
  private regionFd = -1;
  private channelFd = -1;

  /** @throws SysError when nobody listens on `path` */
  constructor(path: string, request: AttachRequest) {
    this.fd = unixConnect(path);
    sendWithFds(this.fd, Buffer.from(`${JSON.stringify(request)}\n`), []);
  }

  /** @returns undefined when the answer is not there yet. @throws AttachError, SysError */
  poll(): Attachment | undefined {
    for (;;) {
      const received = recvWithFds(this.fd, HANDSHAKE_MAX_BYTES, 2);
      if (received === null) return undefined;
      if (received.data.length === 0) {
        throw new AttachError("ECONNRESET", "the host agent closed the connection");
      }
      const [region, channel] = received.fds;
      if (region !== undefined) this.regionFd = region;
      if (channel !== undefined) this.channelFd = channel;
      this.line = Buffer.concat([this.line, received.data]);
      const end = this.line.indexOf(10);
      if (end !== -1) return this.finish(this.line.subarray(0, end).toString("utf8"));
    }
  }

  private finish(line: string): Attachment {
    const reply = JSON.parse(line) as AttachReply | Refusal;
    if (!reply.ok) throw new AttachError(reply.code, reply.error);
    if (this.regionFd === -1) throw new AttachError("EPROTO", "the host agent sent no region");
    if (!isSealed(this.regionFd)) {
      throw new AttachError("EPROTO", "the host agent sent a region that is not sealed");
    }
    if (reply.protocol >= PROTOCOL_SHORTCUT && this.channelFd === -1) {
      throw new AttachError("EPROTO", "the host agent sent no channel for descriptors");
    }
    const mapping = mapShared(this.regionFd, reply.regionBytes);
    closeFd(this.regionFd);
    this.regionFd = -1;
    const memory = sharedMemory(mapping.buffer);
    const { fd, channelFd } = this;
    return { fd, channelFd, reply, mapping, memory, layout: openRegion(memory) };
  }

  cancel(): void {
    closeFd(this.fd);
    if (this.regionFd !== -1) closeFd(this.regionFd);
    if (this.channelFd !== -1) closeFd(this.channelFd);
  }
}

/** Whether nobody can shrink or grow the memfd any more. @throws SysError when it is no memfd */
export function isSealed(fd: number): boolean {
  const sealed = F_SEAL_SHRINK | F_SEAL_GROW;
  return (getSeals(fd) & sealed) === sealed;
}

/** Attaches and waits at most `timeout` milliseconds. @throws AttachError, SysError */
export function attachNow(path: string, request: AttachRequest, timeout: number): Attachment {
  const handshake = new Handshake(path, request);
  try {
    const deadline = performance.now() + timeout;
    for (;;) {
      const attachment = handshake.poll();
      if (attachment !== undefined) return attachment;
      const left = deadline - performance.now();
      if (left <= 0 || !waitReadable(handshake.fd, Math.ceil(left))) {
        throw new AttachError("ETIMEDOUT", `the host agent did not answer within ${timeout} ms`);
      }
    }
  } catch (error) {
    handshake.cancel();
    throw error;
  }
}
