/** This worker's end of a shortcut whose other end is another worker's; the coordinator has both. */
import type { Side, Slot } from "../shortcut/pair.ts";
import { type EndOwner, Shortcut, type ShortcutEnd } from "../shortcut/shortcut.ts";

export interface HalfOptions {
  pair: number;
  slot: Slot;
  side: Side;
  owner: EndOwner;
  socket: number;
  /** The kernel's end; closed by the coordinator once both guests have closed. */
  fd: number;
  /** The guest closes its socket, perhaps before it was told that it is a shortcut. */
  onClosedByGuest(reset: boolean): void;
  /** Called once, when the guest has closed (or never got its end: `abandoned`). */
  onClosed(half: HalfShortcut): void;
}

export class HalfShortcut extends Shortcut {
  readonly side: Side;
  private readonly onClosed: (half: HalfShortcut) => void;
  private readonly onClosedByGuest: (reset: boolean) => void;

  constructor({ pair, slot, side, owner, socket, fd, onClosed, onClosedByGuest }: HalfOptions) {
    const own: ShortcutEnd = { owner, socket, fd, closed: false, handedOut: false };
    const other: ShortcutEnd = { owner, socket, fd: -1, closed: true, handedOut: true };
    super(
      { id: pair, closeFor: () => false, release: () => {} },
      slot,
      side === 0 ? [own, other] : [other, own],
      () => {},
    );
    this.side = side;
    this.onClosed = onClosed;
    this.onClosedByGuest = onClosedByGuest;
  }

  override closedByGuest(_side: Side, reset: boolean): void {
    if (!this.ends[this.side].closed) this.onClosedByGuest(reset);
  }

  /** The other guest has closed before it knew: this one is told to look (EVENT bits). */
  notify(events: number): void {
    const { closed, owner, socket } = this.ends[this.side];
    if (!closed) owner.guard(() => owner.notify(socket, events));
  }

  override close(): void {
    const end = this.ends[this.side];
    if (end.closed) return;
    end.closed = true;
    this.onClosed(this);
  }

  override abandon(): void {
    if (this.ends[this.side].closed) return;
    this.abandoned = true;
    this.close();
  }
}
