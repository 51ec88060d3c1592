/**
 * The pair regions of a guest process: those of its agent by number, and those of agents before
 * that live on while a shortcut uses them.
 */
import { PAIR_SIDE_AGENT } from "@outsock/abi";
import { closeFd, type Mapping, mapShared, SysError } from "@outsock/hostsys";
import { RegionInvalid } from "@outsock/ring";
import { MessageInvalid, type PayloadReader } from "@outsock/vrpc";
import { isSealed } from "./attach.ts";
import { takeDescriptors } from "./descriptor-channel.ts";
import { PairEnd, type PairHandlers } from "./pair-end.ts";

export interface PairsOptions extends PairHandlers {
  log(sentence: string): void;
  /** This process cannot take a pair. */
  onRefused(id: number): void;
}

export class Pairs {
  private readonly options: PairsOptions;
  /** By number and side: a guest that is paired with itself has both. */
  private readonly current = new Map<string, PairEnd>();
  private readonly orphans = new Set<PairEnd>();

  constructor(options: PairsOptions) {
    this.options = options;
  }

  /** Takes a pair that the agent announced (PAIR). @throws MessageInvalid */
  take(payload: PayloadReader, channel: number): void {
    const id = payload.u32();
    const side = payload.u32();
    const bytes = payload.u32();
    if (side > PAIR_SIDE_AGENT) throw new MessageInvalid(`pair side ${side}`);
    const [regionFd, doorbellFd] = takeDescriptors(channel, 2);
    if (regionFd === undefined || doorbellFd === undefined) {
      if (regionFd !== undefined) closeFd(regionFd);
      this.options.log("outsock: no descriptor is left for a shortcut");
      this.options.onRefused(id);
      return;
    }
    let mapping: Mapping | undefined;
    try {
      if (!isSealed(regionFd)) throw new MessageInvalid("a pair region is not sealed");
      mapping = mapShared(regionFd, bytes);
      const pair = new PairEnd(id, side, mapping, doorbellFd, this.options);
      this.current.set(`${id} ${side}`, pair);
      const other = this.get(id, 1 - side);
      if (other !== undefined) other.own = pair.own = true;
    } catch (error) {
      closeFd(doorbellFd);
      mapping?.unmap();
      if (error instanceof RegionInvalid) throw new MessageInvalid(error.message);
      if (!(error instanceof SysError)) throw error;
      this.options.log(`outsock: no memory for a shortcut: ${error.message}`);
      this.options.onRefused(id);
    } finally {
      closeFd(regionFd);
    }
  }

  get(id: number, side: number): PairEnd | undefined {
    return this.current.get(`${id} ${side}`);
  }

  *all(): Iterable<PairEnd> {
    yield* this.current.values();
    yield* this.orphans;
  }

  /** - The socket touches the memory no more. */
  leave(pair: PairEnd, slot: number): void {
    pair.remove(slot);
    if (pair.size === 0 && this.orphans.delete(pair)) pair.end(undefined);
  }

  /** The agent is gone: pairs that nobody uses end, the others once nobody does. */
  orphan(): void {
    const pairs = [...this.current.values()];
    this.current.clear();
    for (const pair of pairs) {
      if (pair.size === 0) {
        pair.end(undefined);
        continue;
      }
      this.orphans.add(pair);
      pair.takeNoMore();
    }
  }

  /** A pair has ended. */
  forget(pair: PairEnd): void {
    const key = `${pair.id} ${pair.side}`;
    if (this.current.get(key) === pair) this.current.delete(key);
    this.orphans.delete(pair);
  }
}
