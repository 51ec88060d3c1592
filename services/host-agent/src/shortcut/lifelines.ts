/**
 * Tends the kernel connections of shortcuts: watches them for their end, and hands each guest its
 * own end, so that both outlive the agent.
 *
 * Neither is done at once: a short connection is over before it is worth the system calls. Once
 * it has lived for YOUNG it is watched, its descriptors go out in batches, and keepalive finds out
 * when it was cut. A connection that loses its agent before that goes on without a lifeline.
 */
import {
  DESCRIPTORS_MAX,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLRDHUP,
  ERRNO,
  SO_ERROR,
  SOL_SOCKET,
} from "@outsock/abi";
import { EpollSet, getsockoptInt, SysError } from "@outsock/hostsys";
import { type EndOwner, prepareLifeline, type Shortcut, type ShortcutEnd } from "./shortcut.ts";

/** Milliseconds: after so long a shortcut is tended, and so often the kernel is asked. */
export const YOUNG = 100;
export const LOOK_EVERY = 1000;

export interface Watched {
  /** The kernel's connection has ended (a positive errno). */
  reset(errno: number): void;
  /** The other end was closed without a reset: nothing more is learned here. */
  finished?(): void;
}

export class Lifelines {
  private readonly set = new EpollSet();
  private readonly watched = new Map<number, Watched>();
  /** Channels for descriptors, and who is told that some wait there. */
  private readonly channels = new Map<number, () => void>();
  /** Made since the last round, and before it. */
  private fresh = new Set<Shortcut>();
  private young = new Set<Shortcut>();
  private unsent = new Set<{ end: ShortcutEnd; shortcut: Shortcut }>();
  private round: NodeJS.Timeout | undefined;
  private looks: NodeJS.Timeout | undefined;

  add(shortcut: Shortcut): void {
    this.fresh.add(shortcut);
    if (this.round === undefined) this.nextRound();
  }

  remove(shortcut: Shortcut): void {
    this.fresh.delete(shortcut);
    this.young.delete(shortcut);
    for (const { fd } of shortcut.ends) this.unwatch(fd);
  }

  /** Watches any kernel connection. Never throws: what cannot be watched is not. */
  watch(fd: number, watched: Watched): void {
    try {
      prepareLifeline(fd);
      this.set.add(fd, watched.finished === undefined ? 0 : EPOLLRDHUP);
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      return;
    }
    this.watched.set(fd, watched);
    this.lookOn();
  }

  /**
   * Tells at each look that descriptors wait on a guest's channel. Descriptors that lie there
   * hold what they are descriptors of: a guest that puts its own connection there would never be
   * seen to go (unix(7)).
   */
  watchChannel(fd: number, waiting: () => void): void {
    this.set.add(fd, EPOLLIN);
    this.channels.set(fd, waiting);
    this.lookOn();
  }

  unwatch(fd: number): void {
    const known = this.watched.delete(fd) || this.channels.delete(fd);
    if (!known) return;
    this.set.remove(fd);
    if (this.watched.size > 0 || this.channels.size > 0) return;
    clearInterval(this.looks);
    this.looks = undefined;
  }

  private lookOn(): void {
    this.looks ??= setInterval(this.look, LOOK_EVERY).unref();
  }

  private nextRound(): void {
    this.round = setTimeout(this.tend, YOUNG).unref();
  }

  private readonly tend = (): void => {
    this.round = undefined;
    for (const shortcut of this.young) {
      for (const end of shortcut.ends) {
        if (end.closed) continue;
        this.watch(end.fd, shortcut);
        this.unsent.add({ end, shortcut });
      }
    }
    this.young = this.fresh;
    this.fresh = new Set();
    this.handOut();
    if (this.young.size > 0 || this.unsent.size > 0) this.nextRound();
  };

  private handOut(): void {
    const byOwner = new Map<EndOwner, ShortcutEnd[]>();
    for (const entry of this.unsent) {
      const { end, shortcut } = entry;
      if (end.closed || shortcut.over) {
        this.unsent.delete(entry);
        continue;
      }
      const mine = byOwner.get(end.owner) ?? [];
      mine.push(end);
      byOwner.set(end.owner, mine);
    }
    for (const [owner, ends] of byOwner) {
      for (let at = 0; at < ends.length; at += DESCRIPTORS_MAX) {
        const some = ends.slice(at, at + DESCRIPTORS_MAX);
        // The guest takes them when it gets to it; what does not fit goes out next time.
        if (!owner.sendLifelines(some)) break;
        for (const end of some) end.handedOut = true;
      }
    }
    for (const entry of this.unsent) if (entry.end.handedOut) this.unsent.delete(entry);
  }

  private readonly look = (): void => {
    for (const { fd, events } of this.set.look()) {
      const waiting = this.channels.get(fd);
      if (waiting !== undefined) {
        if ((events & EPOLLIN) !== 0) waiting();
        continue;
      }
      const watched = this.watched.get(fd);
      if ((events & (EPOLLERR | EPOLLHUP)) === 0) {
        watched?.finished?.();
        continue;
      }
      let errno = 0;
      try {
        errno = getsockoptInt(fd, SOL_SOCKET, SO_ERROR);
      } catch (error) {
        if (!(error instanceof SysError)) throw error;
      }
      this.unwatch(fd);
      watched?.reset(errno || ERRNO.ECONNRESET);
    }
  };

  close(): void {
    clearTimeout(this.round);
    clearInterval(this.looks);
    this.set.close();
  }
}
