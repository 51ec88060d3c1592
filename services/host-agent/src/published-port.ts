/**
 * A port of the host that leads to a guest's listener. The host port is bound as soon as the
 * guest is there, so that a clash is known at the start, and listened on only while the guest
 * listens, so that clients get ECONNREFUSED otherwise, as from a plain program.
 *
 * Connections of before may hold the port; then it is bound with SO_REUSEADDR, and somebody else
 * who does the same can take it until the guest listens. The guest's listener works all the same;
 * `trouble` is told that the port does not lead to it.
 */
import { SO_REUSEADDR, SOL_SOCKET } from "@outsock/abi";
import { bindInet, closeFd, inetSocket, SysError, setsockoptInt } from "@outsock/hostsys";
import type { PublishRequest } from "@outsock/vrpc";
import type { Listener } from "./listener.ts";

export class PublishedPort {
  readonly request: PublishRequest;
  private readonly trouble: (sentence: string) => void;
  /** Bound, not listening; -1 while it listens or the port could not be had again. */
  private fd: number;
  private leads = false;
  private closed = false;

  /**
   * @param fd bound to it already, when there is one
   * @throws SysError when the host port is not to be had
   */
  constructor(request: PublishRequest, trouble: (sentence: string) => void, fd?: number) {
    this.request = request;
    this.trouble = trouble;
    this.fd = fd ?? this.bound();
  }

  /** Gives the bound descriptor away, for a PublishedPort in another thread. */
  surrender(): number {
    const { fd } = this;
    this.fd = -1;
    return fd;
  }

  private bound(): number {
    try {
      return this.bind(false);
    } catch (error) {
      if (!(error instanceof SysError) || error.code !== "EADDRINUSE") throw error;
      return this.bind(true);
    }
  }

  private bind(reuse: boolean): number {
    const { address, hostPort } = this.request;
    const fd = inetSocket("tcp", { family: address.includes(":") ? 6 : 4 });
    try {
      if (reuse) setsockoptInt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
      bindInet(fd, address, hostPort);
    } catch (error) {
      closeFd(fd);
      throw error;
    }
    return fd;
  }

  /** Runs what the kernel may refuse, because somebody else has the port by now. */
  private attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      this.drop();
      const { address, hostPort, guestPort } = this.request;
      this.trouble(
        `${address}:${hostPort} does not lead to port ${guestPort} of the guest: ${error.message}`,
      );
    }
  }

  private drop(): void {
    if (this.fd !== -1) closeFd(this.fd);
    this.fd = -1;
  }

  /** The guest listens on `listener`: leads the port there while it does, where it matches. */
  offer(listener: Listener): void {
    const { address, port } = listener.local;
    if (port !== this.request.guestPort || this.leads) return;
    // A guest's loopback is its own: only what others reach is published.
    if (address === "::1" || (address.startsWith("127.") && !address.startsWith("127.77."))) return;
    this.attempt(() => {
      if (this.fd === -1) this.fd = this.bound();
      // Its connections get it too, so that they do not hold the port against the next listener.
      setsockoptInt(this.fd, SOL_SOCKET, SO_REUSEADDR, 1);
      const server = listener.add(this.fd);
      this.fd = -1;
      this.leads = true;
      listener.beforeClose(() => {
        server.once("close", () => {
          this.leads = false;
          if (this.closed) return;
          this.attempt(() => {
            this.fd = this.bound();
          });
        });
      });
    });
  }

  close(): void {
    this.closed = true;
    this.drop();
  }
}
