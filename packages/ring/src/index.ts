export { EventNotifier, EventTaker, type QueuePlace } from "./event-queue.ts";
export { HaltPoll, type HaltPollOptions } from "./halt-poll.ts";
export { type Pollable, PollLoop, type PollLoopOptions } from "./poll-loop.ts";
export { type Doorbell, Port, type PortCounters, type PortPlace } from "./port.ts";
export {
  ccbWord,
  checkRing,
  formatRegion,
  openRegion,
  portPlace,
  RegionInvalid,
  type RegionLayout,
  resetCcb,
  rxRingPlace,
  sharedMemory,
  txRingPlace,
} from "./region.ts";
export { GrownRings, WINDOWS, type WindowPolicy } from "./ring-window.ts";
export { Slab, type SlabRing } from "./slab.ts";
export {
  type ProducerOptions,
  RingConsumer,
  RingCorrupted,
  type RingPlace,
  RingProducer,
  type SharedMemory,
  type Span,
} from "./stream-ring.ts";
