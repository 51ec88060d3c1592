/**
 * A port of the host that leads to a guest's listener. The host port is bound as soon as the
 * guest is there, so that a clash is known at the start, and listened on only while the guest
 * listens, so that clients get ECONNREFUSED otherwise, as from a plain program.
 */
import { SO_REUSEADDR, SOL_SOCKET } from "@outsock/abi";
import { bindInet, closeFd, inetSocket, setsockoptInt } from "@outsock/hostsys";
import type { PublishRequest } from "@outsock/vrpc";
import type { Listener } from "./listener.ts";

export class PublishedPort {
  readonly request: PublishRequest;
  private fd: number;
  private closed = false;

  /** @throws SysError when the host port is not to be had */
  constructor(request: PublishRequest) {
    this.request = request;
    this.fd = this.bound();
  }

  private bound(): number {
    const { address, hostPort } = this.request;
    const fd = inetSocket("tcp", { family: address.includes(":") ? 6 : 4 });
    try {
      setsockoptInt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
      bindInet(fd, address, hostPort);
    } catch (error) {
      closeFd(fd);
      throw error;
    }
    return fd;
  }

  /** The guest listens on `listener`: leads the port there while it does, where it matches. */
  offer(listener: Listener): void {
    const { address, port } = listener.local;
    if (port !== this.request.guestPort || this.fd === -1) return;
    // A guest's loopback is its own: only what others reach is published.
    if (address === "::1" || (address.startsWith("127.") && !address.startsWith("127.77."))) return;
    const server = listener.add(this.fd);
    this.fd = -1;
    listener.beforeClose(() => {
      if (this.closed) return;
      server.once("close", () => {
        if (!this.closed) this.fd = this.bound();
      });
    });
  }

  close(): void {
    this.closed = true;
    if (this.fd !== -1) closeFd(this.fd);
    this.fd = -1;
  }
}
