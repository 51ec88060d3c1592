/**
 * One question, asked of servers in turn until one answers.
 *
 * An attempt is a query with an id of its own, from a socket of its own; sockets of earlier
 * attempts stay open, so a slow server's answer is still taken. A truncated answer is asked for
 * again over TCP (RFC 7766), a server that does not know EDNS without it (RFC 6891 7).
 */
import { randomInt } from "node:crypto";
import { ERRNO } from "@outsock/abi";
import type { RecordType } from "dns-packet";
import type { EventLoop } from "../event-loop.ts";
import { decodeReply, encodeQuery, type Query, RCODE, type Reply } from "./message.ts";
import { Timer } from "./timer.ts";
import { type LocalAddresses, type Server, TcpTransport, UdpTransport } from "./transport.ts";

export interface Plan {
  servers: readonly Server[];
  /** Rounds over the servers. */
  tries: number;
  /** Milliseconds for an attempt. */
  timeout(attempt: number): number;
  local: LocalAddresses;
  useTcp: boolean;
  /** A server that fails (SERVFAIL, NOTIMP, REFUSED) is passed over for the next one. */
  passFailures: boolean;
}

/** Why there is no answer. */
export type Failure = "timeout" | "refused" | "malformed" | "cancelled";
export type Outcome = Reply | Failure;

const FAILED: readonly number[] = [RCODE.SERVFAIL, RCODE.NOTIMP, RCODE.REFUSED];

export class Exchange {
  private readonly loop: EventLoop;
  private readonly name: string;
  private readonly type: RecordType;
  private readonly plan: Plan;
  private readonly done: (outcome: Outcome) => void;
  private readonly timer: Timer;
  private readonly transports = new Set<UdpTransport | TcpTransport>();
  private attempt = -1;
  private last: Failure = "timeout";
  /** Answer of a server that failed, given when no other does better. */
  private failed: Reply | undefined;
  private starting = true;
  private over = false;

  /**
   * @param name encodable
   * @param done called once, never before this returns
   */
  constructor(
    loop: EventLoop,
    name: string,
    type: RecordType,
    plan: Plan,
    done: (outcome: Outcome) => void,
  ) {
    this.loop = loop;
    this.name = name;
    this.type = type;
    this.plan = plan;
    this.done = done;
    loop.host.hold();
    this.timer = new Timer(loop, () => this.next("timeout"));
    this.next("refused");
    this.starting = false;
  }

  cancel(): void {
    this.finish("cancelled");
  }

  private finish(outcome: Outcome): void {
    if (this.over) return;
    this.over = true;
    this.timer.close();
    for (const transport of this.transports) transport.close();
    this.transports.clear();
    const tell = (): void => {
      this.loop.host.release();
      this.done(outcome);
    };
    if (this.starting || outcome === "cancelled") this.loop.host.defer(tell);
    else tell();
  }

  private get server(): Server {
    return this.plan.servers[this.attempt % this.plan.servers.length]!;
  }

  /** The attempt under way is given up for the next one. */
  private next(why: Failure): void {
    this.last = why;
    while (!this.over) {
      this.attempt++;
      if (this.attempt >= this.plan.tries * this.plan.servers.length) {
        this.finish(this.failed ?? this.last);
        return;
      }
      if (!this.timer.arm(this.plan.timeout(this.attempt))) {
        this.finish("refused");
        return;
      }
      const error = this.ask(this.plan.useTcp, true);
      if (error === 0) return;
      this.last = "refused";
    }
  }

  /** @returns 0 or a negative errno */
  private ask(tcp: boolean, edns: boolean): number {
    const query = encodeQuery(randomInt(0x10000), this.name, this.type, edns);
    const { attempt } = this;
    const transport = new (tcp ? TcpTransport : UdpTransport)(this.loop, {
      onBytes: (bytes) => this.take(decodeReply(bytes, query), query, tcp, attempt),
      onFailure: (errno) => {
        transport.close();
        this.transports.delete(transport);
        // Only the attempt that is waited for is given up early.
        if (attempt === this.attempt) {
          this.next(errno === ERRNO.ETIMEDOUT ? "timeout" : "refused");
        }
      },
    });
    this.transports.add(transport);
    const error = transport.start(this.server, this.plan.local, query.bytes);
    if (error < 0) {
      transport.close();
      this.transports.delete(transport);
    }
    return Math.min(error, 0);
  }

  private take(
    reply: Reply | "malformed" | undefined,
    query: Query,
    tcp: boolean,
    attempt: number,
  ): void {
    if (this.over || reply === undefined) return;
    const current = attempt === this.attempt;
    if (reply === "malformed") {
      if (current) this.next("malformed");
      return;
    }
    if (reply.truncated && !tcp) {
      if (current) this.again(true, query.edns);
      return;
    }
    const unknown = reply.rcode === RCODE.FORMERR || reply.rcode === RCODE.NOTIMP;
    if (unknown && query.edns && reply.answers.length === 0) {
      if (current) this.again(tcp, false);
      return;
    }
    if (this.plan.passFailures && FAILED.includes(reply.rcode)) {
      this.failed = reply;
      if (current) this.next(this.last);
      return;
    }
    this.finish(reply);
  }

  /** Asks the same server in another way. */
  private again(tcp: boolean, edns: boolean): void {
    for (const transport of this.transports) transport.close();
    this.transports.clear();
    if (!this.timer.arm(this.plan.timeout(this.attempt)) || this.ask(tcp, edns) < 0) {
      this.next("refused");
    }
  }
}
