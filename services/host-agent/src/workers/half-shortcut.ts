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
  /** Called once, when the guest has closed (or never got its end: `abandoned`). */
  onClosed(half: HalfShortcut): void;
}

export class HalfShortcut extends Shortcut {
  readonly side: Side;
  private readonly onClosed: (half: HalfShortcut) => void;

  constructor({ pair, slot, side, owner, socket, fd, onClosed }: HalfOptions) {
    const own: ShortcutEnd = { owner, socket, fd, closed: false, handedOut: false };
    const other: ShortcutEnd = { owner, socket, fd: -1, closed: true, handedOut: true };
    super(
      { id: pair, release: () => {} },
      slot,
      side === 0 ? [own, other] : [other, own],
      () => {},
    );
    this.side = side;
    this.onClosed = onClosed;
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
