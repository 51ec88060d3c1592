/**
 * One side's view of a region's sockets: where its rings lie, and the words that it and the peer
 * write for each. The peer is the host agent (a guest's own region) or another guest (a pair
 * region, where one of the two has the agent's side of the layout).
 */
import { CCB } from "@outsock/abi";
import {
  ccbWord,
  checkRing,
  type ProducerOptions,
  type RegionLayout,
  RingConsumer,
  RingProducer,
  rxRingPlace,
  type SharedMemory,
  txRingPlace,
} from "@outsock/ring";
import type { RingPair } from "@outsock/vrpc";

export type RegionSide = "guest" | "agent";

export class Conduit {
  readonly memory: SharedMemory;
  readonly layout: RegionLayout;
  private readonly side: RegionSide;
  private readonly windows: ProducerOptions;

  /** @param windows how the rings that this side writes grow and shrink */
  constructor(
    memory: SharedMemory,
    layout: RegionLayout,
    side: RegionSide,
    windows: ProducerOptions,
  ) {
    this.memory = memory;
    this.layout = layout;
    this.side = side;
    this.windows = windows;
  }

  /**
   * The ring that this side writes, with nothing in it.
   * - It is closed before the number is used again and before the memory goes.
   * @throws RegionInvalid
   */
  producer(socket: number, rings: RingPair): RingProducer {
    const { layout, memory } = this;
    const { txOffset, txCapacity, rxOffset, rxCapacity } = rings;
    checkRing(layout, txOffset, txCapacity);
    checkRing(layout, rxOffset, rxCapacity);
    return new RingProducer(
      memory,
      this.side === "guest"
        ? txRingPlace(layout, socket, txOffset, txCapacity)
        : rxRingPlace(layout, socket, rxOffset, rxCapacity),
      this.windows,
    );
  }

  /** The ring that this side reads. - `producer` has checked the rings. */
  consumer(socket: number, rings: RingPair): RingConsumer {
    const { layout, memory } = this;
    const { txOffset, txCapacity, rxOffset, rxCapacity } = rings;
    return new RingConsumer(
      memory,
      this.side === "guest"
        ? rxRingPlace(layout, socket, rxOffset, rxCapacity)
        : txRingPlace(layout, socket, txOffset, txCapacity),
    );
  }

  /** ORs FLAG bits into this side's word. */
  raise(socket: number, flags: number): void {
    const word = this.side === "guest" ? CCB.GUEST_FLAGS : CCB.AGENT_FLAGS;
    Atomics.or(this.memory.words, ccbWord(this.layout, socket, word), flags);
  }

  /** FLAG bits that the peer set. */
  peerFlags(socket: number): number {
    const word = this.side === "guest" ? CCB.AGENT_FLAGS : CCB.GUEST_FLAGS;
    return Atomics.load(this.memory.words, ccbWord(this.layout, socket, word));
  }
}
