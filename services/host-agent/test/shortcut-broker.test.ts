/** Broker: who is matched with whom, when, and what happens to the others. */
import {
  EVENT,
  PAIR_BROKEN,
  PAIR_GONE,
  PAIR_REFUSED,
  PAIR_SIDE_AGENT,
  PAIR_SIDE_GUEST,
  PATH,
} from "@outsock/abi";
import { inetSocket, SysError } from "@outsock/hostsys";
import { afterEach, describe, expect, test } from "vitest";
import { type Assignment, Broker } from "../src/shortcut/broker.ts";
import type { Shortcut } from "../src/shortcut/shortcut.ts";
import { type Kept, Member, offer, Turns } from "./shortcut-members.ts";

const turns = new Turns();
const made: Shortcut[] = [];
const over: Shortcut[] = [];
const broker = () =>
  new Broker({
    defer: turns.defer,
    onMade: (shortcut) => void made.push(shortcut),
    onOver: (shortcut) => void over.push(shortcut),
  });
const socket = () => inetSocket("tcp");
const none = (): number => {
  throw new SysError("dup", 24);
};

afterEach(() => {
  for (const shortcut of made.splice(0)) {
    shortcut.close(PAIR_SIDE_GUEST);
    shortcut.close(PAIR_SIDE_AGENT);
  }
  over.length = 0;
  for (let n = 0; n < 5; n++) turns.run();
});

function assignment({ outcomes }: Kept): Assignment {
  expect(outcomes).toHaveLength(1);
  const [outcome] = outcomes;
  if (typeof outcome === "number" || outcome === undefined) throw new Error(`path ${outcome}`);
  return outcome;
}

/** Two ends of one connection, offered. */
function meet(of: Broker, client: Member, server: Member, proof = `${made.length}`) {
  const one = offer("connected", client, [proof], socket);
  const two = offer("accepted", server, [proof], socket);
  of.offer(one);
  of.offer(two);
  return { one, two };
}

describe("Broker", () => {
  test("a guest breaks while it is told of the pair: its end is left alone, the other one relays", () => {
    const of = broker();
    const client = new Member();
    const server = new Member();
    const one = offer("connected", client, ["p"], socket);
    client.announcePair = () => {
      of.withdraw(one);
      return false;
    };
    const two = offer("accepted", server, ["p"], socket);
    of.offer(one);
    of.offer(two);
    expect(one.outcomes).toEqual([]);
    expect(one.taken).toEqual([]);
    expect(two.outcomes).toEqual([PATH.NO_ROOM]);
  });

  test("the accepting side's answer ends the connecting one: that end of the shortcut is abandoned", () => {
    const of = broker();
    const one = offer("connected", new Member(), ["p"], socket);
    const two = offer("accepted", new Member(), ["p"], socket);
    const { settled } = two;
    two.settled = (outcome) => {
      settled(outcome);
      of.withdraw(one);
    };
    of.offer(one);
    of.offer(two);
    expect(one.outcomes).toEqual([]);
    const { shortcut, side } = assignment(two);
    expect(shortcut.abandoned).toBe(true);
    expect(shortcut.ends[1 - side]?.closed).toBe(true);
    expect(shortcut.ends[side]?.closed).toBe(false);
  });

  test("told of no peer, one ends another that waits: that one is told nothing", () => {
    const of = broker();
    const one = offer("connected", new Member(), ["p"], socket);
    const two = offer("connected", new Member(), ["q"], socket);
    const { settled } = one;
    one.settled = (outcome) => {
      settled(outcome);
      of.withdraw(two);
    };
    of.offer(one);
    of.offer(two);
    for (let n = 0; n < 5; n++) turns.run();
    expect(one.outcomes).toEqual([PATH.REMOTE_PEER]);
    expect(two.outcomes).toEqual([]);
  });

  test.each(["connected", "accepted"] as const)(
    "an end that is %s waits, the other one comes: one shortcut, the accepting side told first",
    (first) => {
      const of = broker();
      of.expectOffer();
      const [a, b] = [new Member(), new Member()];
      const order: string[] = [];
      const client = offer("connected", a, ["x"], socket, order);
      const server = offer("accepted", b, ["y", "x"], socket, order);
      for (const one of first === "connected" ? [client, server] : [server, client]) of.offer(one);
      expect(order).toEqual(["accepted", "connected"]);
      expect(assignment(client).shortcut).toBe(assignment(server).shortcut);
      expect(assignment(client).side).toBe(1 - assignment(server).side);
      expect(a.announced).toEqual([{ pair: 1, side: assignment(client).side }]);
      expect(b.announced).toEqual([{ pair: 1, side: assignment(server).side }]);
    },
  );

  test("an end that nobody matches: relay, remote peer, after three turns", () => {
    const of = broker();
    const one = offer("connected", new Member(), ["x"], socket);
    of.offer(one);
    turns.run();
    turns.run();
    expect(one.outcomes).toEqual([]);
    turns.run();
    expect(one.outcomes).toEqual([PATH.REMOTE_PEER]);
    expect(one.taken).toEqual([]);
  });

  test("accepted while nobody connects: at once", () => {
    const one = offer("accepted", new Member(), ["x"], socket);
    broker().offer(one);
    expect(one.outcomes).toEqual([PATH.REMOTE_PEER]);
  });

  test("accepted while somebody connects, who gives up: it waits no longer than others", () => {
    const of = broker();
    const settled = of.expectOffer();
    const one = offer("accepted", new Member(), ["x"], socket);
    of.offer(one);
    settled();
    settled();
    for (let n = 0; n < 3; n++) turns.run();
    expect(one.outcomes).toEqual([PATH.REMOTE_PEER]);
    const two = offer("accepted", new Member(), ["x"], socket);
    of.offer(two);
    expect(two.outcomes).toEqual([PATH.REMOTE_PEER]);
  });

  test("no proof: relay, not proven", () => {
    const one = offer("connected", new Member(), [], socket);
    broker().offer(one);
    expect(one.outcomes).toEqual([PATH.NOT_PROVEN]);
  });

  test("withdrawn: it is told nothing, and nobody is matched with it", () => {
    const of = broker();
    const gone = offer("connected", new Member(), ["x"], socket);
    of.offer(gone);
    of.withdraw(gone);
    of.expectOffer();
    const late = offer("accepted", new Member(), ["x"], socket);
    of.offer(late);
    for (let n = 0; n < 3; n++) turns.run();
    expect(gone.outcomes).toEqual([]);
    expect(late.outcomes).toEqual([PATH.REMOTE_PEER]);
  });

  test("two ends of one kind with one proof: the first is settled, the second is matched", () => {
    const of = broker();
    of.expectOffer();
    const stale = offer("accepted", new Member(), ["x"], socket);
    const fresh = offer("accepted", new Member(), ["x"], socket);
    const client = offer("connected", new Member(), ["x"], socket);
    of.offer(stale);
    of.offer(fresh);
    expect(stale.outcomes).toEqual([PATH.NOT_PROVEN]);
    of.offer(client);
    expect(assignment(fresh).shortcut).toBe(assignment(client).shortcut);
  });

  test("a process with itself: one pair of which it has both sides", () => {
    const member = new Member();
    const { one, two } = meet(broker(), member, member);
    expect(member.announced.map(({ side }) => side)).toEqual([0, 1]);
    expect(assignment(one).side).not.toBe(assignment(two).side);
  });

  test("further connections of two processes, either way round: the same pair, other slots", () => {
    const of = broker();
    const [a, b] = [new Member(), new Member()];
    const first = assignment(meet(of, a, b).one);
    const { one, two } = meet(of, b, a);
    const second = assignment(one);
    expect(second.shortcut.pair).toBe(first.shortcut.pair);
    expect(second.shortcut.slot.number).not.toBe(first.shortcut.slot.number);
    expect(second.side).toBe(1 - first.side);
    expect(assignment(two).side).toBe(first.side);
    expect(a.announced).toHaveLength(1);
  });

  test("no descriptor for the second end: both stay on the relay, the first is given back", () => {
    const of = broker();
    const [a, b] = [new Member(), new Member()];
    const client = offer("connected", a, ["x"], socket);
    const server = offer("accepted", b, ["x"], none);
    of.offer(client);
    of.offer(server);
    expect([client.outcomes, server.outcomes]).toEqual([[PATH.NO_ROOM], [PATH.NO_ROOM]]);
    expect(client.givenBack).toEqual(client.taken);
    expect(assignment(meet(of, a, b).one).shortcut.slot.number).toBeGreaterThan(0);
  });

  test("a member does not take the pair: relay, no room", () => {
    const [a, b] = [new Member(), new Member()];
    b.willing = false;
    const { one, two } = meet(broker(), a, b);
    expect([one.outcomes, two.outcomes]).toEqual([[PATH.NO_ROOM], [PATH.NO_ROOM]]);
  });

  test.each([
    [PAIR_BROKEN, PATH.PEER_BROKEN],
    [PAIR_REFUSED, PATH.NO_ROOM],
  ])(
    "pairs that end for reason %i: the fourth connection stays on the relay with path %i",
    (reason, path) => {
      const of = broker();
      const [a, b, c] = [new Member(), new Member(), new Member()];
      for (let n = 1; n <= 3; n++) {
        expect(assignment(meet(of, a, b).one).shortcut.pair.id).toBe(n);
        expect(of.pairEnded(a, n, reason)).toBe(true);
      }
      expect(meet(of, b, a).one.outcomes).toEqual([path]);
      assignment(meet(of, a, c).one);
      of.leave(b);
      assignment(meet(of, a, b).one);
    },
  );

  test("pairs that end because the peer is gone: there is always another one", () => {
    const of = broker();
    const [a, b] = [new Member(), new Member()];
    for (let n = 1; n <= 5; n++) {
      assignment(meet(of, a, b).one);
      of.pairEnded(b, n, PAIR_GONE);
    }
  });

  test("PAIR_ENDED of others' pair, or of none: refused; of one that has ended: taken", () => {
    const of = broker();
    const [a, b, c] = [new Member(), new Member(), new Member()];
    meet(of, a, b);
    expect(of.pairEnded(c, 1, PAIR_BROKEN)).toBe(false);
    expect(of.pairEnded(a, 2, PAIR_BROKEN)).toBe(false);
    expect(of.pairEnded(a, 1, PAIR_GONE)).toBe(true);
    expect(of.pairEnded(b, 1, PAIR_GONE)).toBe(true);
  });
});

describe("Shortcut", () => {
  test("closed by both: over once, the slot is given out again after all others", () => {
    const of = broker();
    const [a, b] = [new Member(), new Member()];
    const { shortcut } = assignment(meet(of, a, b).one);
    shortcut.close(PAIR_SIDE_GUEST);
    shortcut.close(PAIR_SIDE_GUEST);
    expect(over).toEqual([]);
    shortcut.close(PAIR_SIDE_AGENT);
    expect(over).toEqual([shortcut]);
    expect(assignment(meet(of, a, b).one).shortcut.slot.number).toBe(2);
  });

  test.each([
    [false, EVENT.FIN],
    [true, EVENT.RESET],
  ])(
    "closed before the guest knew of it, reset %s: the other one is told, once",
    (reset, events) => {
      const [a, b] = [new Member(), new Member()];
      const { one, two } = meet(broker(), a, b);
      const { shortcut, side } = assignment(one);
      shortcut.closedByGuest(side, reset);
      shortcut.close(side);
      expect(b.told).toEqual([{ socket: two.socket, events }]);
      shortcut.closedByGuest(side, reset);
      expect(b.told).toHaveLength(1);
      expect(a.told).toEqual([]);
    },
  );

  test("the kernel's connection ends: those who have not closed are told", () => {
    const [a, b] = [new Member(), new Member()];
    const { one, two } = meet(broker(), a, b);
    const { shortcut, side } = assignment(one);
    shortcut.close(side);
    shortcut.reset(104);
    expect(a.resets).toEqual([]);
    expect(b.resets).toEqual([{ socket: two.socket, errno: 104 }]);
  });

  test("abandoned by one side: the other one is reset", () => {
    const [a, b] = [new Member(), new Member()];
    const { one, two } = meet(broker(), a, b);
    const { shortcut, side } = assignment(two);
    shortcut.abandon(side);
    expect(shortcut.abandoned).toBe(true);
    expect(a.resets).toEqual([{ socket: one.socket, errno: 104 }]);
    expect(b.resets).toEqual([]);
  });
});
