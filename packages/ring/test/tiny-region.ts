/** A region with two sockets and rings of 4 bytes, small enough to explore all its states. */
import type { Doorbell, PortPlace, QueuePlace, RingPlace } from "@outsock/ring";
import { makeWorld, type World } from "./model-check.ts";

const SOCKETS = 2;
export const CAPACITY = 4;
const WORDS = 32;

export const WORD = {
  TO_AGENT_TAIL: 0,
  TO_AGENT_HEAD: 1,
  TO_GUEST_TAIL: 2,
  TO_GUEST_HEAD: 3,
  GUEST_SLEEPING: 4,
  AGENT_SLEEPING: 5,
  /** 1 when that side was rung and has not noticed. */
  GUEST_BELL: 6,
  AGENT_BELL: 7,
  TO_AGENT_ENTRIES: 8,
  TO_GUEST_ENTRIES: 10,
  TO_AGENT_PENDING: 12,
  TO_GUEST_PENDING: 14,
  /** tail, head, want of tx then rx, for each socket. */
  RINGS: 16,
  GUEST_FLAGS: 28,
} as const;

export function ringPlace(socket: number, direction: "tx" | "rx"): RingPlace {
  const ring = socket * 2 + (direction === "tx" ? 0 : 1);
  const word = WORD.RINGS + ring * 3;
  return {
    tailWord: word,
    headWord: word + 1,
    wantWord: word + 2,
    offset: WORDS * 4 + ring * CAPACITY,
    capacity: CAPACITY,
  };
}

/** @param start where the free-running indexes begin */
export function tinyRegion(start: number): World {
  const world = makeWorld(WORDS * 4 + SOCKETS * 2 * CAPACITY);
  for (let word = 0; word < 4; word++) world.words[word] = start;
  for (let socket = 0; socket < SOCKETS; socket++) {
    for (const direction of ["tx", "rx"] as const) {
      const place = ringPlace(socket, direction);
      world.words[place.tailWord] = start;
      world.words[place.headWord] = start;
    }
  }
  return world;
}

const TO_AGENT: QueuePlace = {
  tailWord: WORD.TO_AGENT_TAIL,
  headWord: WORD.TO_AGENT_HEAD,
  firstWord: WORD.TO_AGENT_ENTRIES,
  capacity: SOCKETS,
  pendingWord: WORD.TO_AGENT_PENDING,
  pendingStride: 1,
  sockets: SOCKETS,
};

const TO_GUEST: QueuePlace = {
  tailWord: WORD.TO_GUEST_TAIL,
  headWord: WORD.TO_GUEST_HEAD,
  firstWord: WORD.TO_GUEST_ENTRIES,
  capacity: SOCKETS,
  pendingWord: WORD.TO_GUEST_PENDING,
  pendingStride: 1,
  sockets: SOCKETS,
};

export const GUEST_PORT: PortPlace = {
  incoming: TO_GUEST,
  outgoing: TO_AGENT,
  sleepingWord: WORD.GUEST_SLEEPING,
  peerSleepingWord: WORD.AGENT_SLEEPING,
};

export const AGENT_PORT: PortPlace = {
  incoming: TO_AGENT,
  outgoing: TO_GUEST,
  sleepingWord: WORD.AGENT_SLEEPING,
  peerSleepingWord: WORD.GUEST_SLEEPING,
};

export function bell(world: World, word: number): Doorbell {
  return { ring: () => void Atomics.store(world.words, word, 1) };
}
