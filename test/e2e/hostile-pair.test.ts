/** A guest that breaks the memory it shares with another one, or lies about it: nobody else is harmed. */
import { openSync } from "node:fs";
import { CCB, EVENT, FLAG, HEADER, OP, PATH } from "@outsock/abi";
import { closeFd } from "@outsock/hostsys";
import { PayloadWriter } from "@outsock/vrpc";
import { describe, expect, onTestFinished, test } from "vitest";
import { HandGuest, HONEST_2 } from "./hand-guest.ts";
import { HandMember, type HandPair, type Way } from "./hand-pair.ts";
import { descriptors } from "./proc.ts";
import type { TestProcess } from "./process.ts";
import { guestPuppet, type Puppet } from "./puppet.ts";
import { BUILT, type Sandbox, sandbox } from "./sandbox.ts";
import { pathsOf } from "./shortcut.ts";
import { until } from "./wait.ts";

const PORT = 3000;

/** An honest guest that a hostile one is paired with, and its friend, who must not notice. */
class Scene {
  readonly box: Sandbox;
  readonly agent: TestProcess;
  readonly honest: Puppet;
  readonly friend: Puppet;
  readonly address: string;
  private exchanges = 0;
  private sockets = 0;
  private members = 0;

  private constructor(parts: Pick<Scene, "box" | "agent" | "honest" | "friend" | "address">) {
    this.box = parts.box;
    this.agent = parts.agent;
    this.honest = parts.honest;
    this.friend = parts.friend;
    this.address = parts.address;
  }

  static async set(): Promise<Scene> {
    const box = sandbox();
    const agent = await box.agent();
    const honest = await guestPuppet(box, { options: ["--name", "honest"] });
    const friend = await guestPuppet(box, { options: ["--name", "friend"] });
    await honest.listen("echo", 3001);
    await honest.listen("server", PORT, { silent: true });
    await friend.connect("friend", "honest", 3001);
    const { address } = (await box.status())!.guests.find(({ name }) => name === "honest")!;
    return new Scene({ box, agent, honest, friend, address });
  }

  async hostile(): Promise<HandMember> {
    const request = { ...HONEST_2, name: `hostile-${++this.members}` };
    const member = new HandMember(await HandGuest.attach(this.box.socket, request));
    onTestFinished(() => member.close());
    return member;
  }

  /** The hostile one connects; `name` is what the honest one calls the connection. */
  async connect(member: HandMember): Promise<{ way: Way; pair: HandPair; name: string }> {
    const count = () =>
      this.honest.events("server").filter(({ event }) => event === "connection").length;
    const before = count();
    const made = await member.connect(++this.sockets, this.address, PORT);
    await until("the honest guest accepts", () => count() > before);
    return { ...made, name: `server.${before}` };
  }

  /** The friend's connection through its own pair goes on; so does the agent. */
  async isWell(): Promise<void> {
    expect(this.agent.outcome).toBeUndefined();
    expect(this.honest.process.outcome).toBeUndefined();
    const text = `exchange ${++this.exchanges}`;
    this.friend.do({ do: "write", id: "friend", text });
    await until(text, () => this.friend.events("friend").some((event) => event.text === text));
    expect(this.friend.events("friend").some(({ event }) => event === "close")).toBe(false);
  }
}

type Deed = (pair: HandPair, way: Way) => void;

/** What breaks the pair: the honest guest ends its connections through it. */
const BREACHES: Record<string, Deed> = {
  "a tail beyond the capacity": (pair, { slot }) => {
    pair.setCcb(slot, pair.words.tail, 2 ** 30);
    pair.notify(slot, EVENT.DATA);
  },
  "a tail before the head": (pair, { slot }) => {
    pair.setCcb(slot, pair.words.tail, -1);
    pair.notify(slot, EVENT.DATA);
  },
  "a head beyond the tail": (pair, { slot }) => {
    pair.setCcb(slot, pair.words.head, 77);
    pair.notify(slot, EVENT.SPACE);
  },
  "a window that is none": (pair, { slot }) => {
    pair.setCcb(slot, pair.words.window, 31);
    pair.setCcb(slot, pair.words.tail, 5);
    pair.notify(slot, EVENT.DATA);
  },
  "a negative window": (pair, { slot }) => {
    pair.setCcb(slot, pair.words.window, -1);
    pair.setCcb(slot, pair.words.tail, 5);
    pair.notify(slot, EVENT.DATA);
  },
  "an event of a number beyond the table": (pair) => pair.notify(2 ** 30, EVENT.DATA),
  "an event of a negative number": (pair) => pair.notify(-1, EVENT.DATA),
  "an event queue that holds too much": (pair) => {
    pair.set(pair.words.queueTail, 2 ** 20);
    pair.ring();
  },
  "an event queue whose tail went back": (pair) => {
    pair.set(pair.words.queueTail, -5);
    pair.ring();
  },
};

/** What ends at most the connection that it is done to. */
const LICENCE: Record<string, { deed: Deed; ends: boolean }> = {
  "every flag at once": {
    deed: (pair, { slot }) => {
      pair.raise(slot, -1);
      pair.notify(slot, EVENT.FIN);
    },
    ends: true,
  },
  "a reset": {
    deed: (pair, { slot }) => {
      pair.raise(slot, FLAG.RESET);
      pair.notify(slot, EVENT.RESET);
    },
    ends: true,
  },
  "nonsense in want, pending and sleeping words": {
    deed: (pair, { slot }) => {
      for (const word of [CCB.TX_WANT, CCB.RX_WANT, CCB.TO_AGENT_PENDING, CCB.TO_GUEST_PENDING]) {
        pair.setCcb(slot, word, -1);
      }
      for (const word of [HEADER.GUEST_SLEEPING, HEADER.AGENT_SLEEPING]) pair.set(word, -7);
    },
    ends: false,
  },
  "events of slots that nobody has": {
    deed: (pair) => {
      for (let slot = 1000; slot < 3000; slot++) pair.notify(slot, -1);
    },
    ends: false,
  },
  "a flood of doorbells": {
    deed: (pair) => {
      for (let n = 0; n < 20_000; n++) pair.ring();
    },
    ends: false,
  },
  "header words of the layout": {
    deed: (pair) => {
      for (let word = 0; word < 64; word++) pair.set(word, -1);
    },
    ends: false,
  },
};

describe.skipIf(!BUILT)("a guest that breaks a pair", () => {
  test("each breach ends its connections by ECONNRESET; the third keeps it on the relay", async () => {
    const scene = await Scene.set();
    const deeds = Object.entries(BREACHES);
    for (let at = 0; at < deeds.length; at += 3) {
      const member = await scene.hostile();
      for (const [what, deed] of deeds.slice(at, at + 3)) {
        const { name, pair, way } = await scene.connect(member);
        expect(way.path, what).toBe(PATH.SHORTCUT);
        deed(pair, way);
        const error = await scene.honest.seen(name, "error");
        expect(error, what).toMatchObject({ code: "ECONNRESET", syscall: "read" });
        await scene.isWell();
      }
      const { way } = await scene.connect(member);
      expect(way.path).toBe(PATH.PEER_BROKEN);
    }
    const broken = "relay: the peer broke the protocol of the shortcut before";
    expect((await pathsOf(scene.box, "honest"))[broken]).toBe(deeds.length / 3);
    await scene.friend.connect("again", "honest", 3001);
    expect(await pathsOf(scene.box, "friend")).toEqual({ shortcut: 2 });
  }, 120_000);

  test("whatever else it writes ends no more than the connection that it is done to", async () => {
    const scene = await Scene.set();
    for (const [what, { deed, ends }] of Object.entries(LICENCE)) {
      const member = await scene.hostile();
      const victim = await scene.connect(member);
      const other = await scene.connect(member);
      expect(other.pair, what).toBe(victim.pair);
      deed(victim.pair, victim.way);
      await scene.isWell();
      if (ends) await scene.honest.seen(victim.name, "close");
      other.pair.write(other.way, Buffer.from(what));
      expect(await scene.honest.seen(other.name, "data")).toMatchObject({ text: what });
      await scene.isWell();
    }
  }, 120_000);

  test("the doorbell is closed: all connections of the pair end, a new pair is made", async () => {
    const scene = await Scene.set();
    const member = await scene.hostile();
    const first = await scene.connect(member);
    const second = await scene.connect(member);
    first.pair.hangUp();
    for (const { name } of [first, second]) {
      expect(await scene.honest.seen(name, "error")).toMatchObject({ code: "ECONNRESET" });
    }
    await until("a new pair", async () => {
      const { way } = await scene.connect(member);
      return way.path === PATH.SHORTCUT && way.pair !== first.way.pair;
    });
    await scene.isWell();
  }, 60_000);

  test("its channel of descriptors is never read: it goes on without lifelines", async () => {
    const scene = await Scene.set();
    const member = await scene.hostile();
    const before = descriptors(scene.agent.pid).length;
    for (let n = 0; n < 300; n++) await scene.connect(member);
    expect((await pathsOf(scene.box, "honest")).shortcut).toBe(301);
    await scene.isWell();
    member.close();
    await until("the agent has let go", () => descriptors(scene.agent.pid).length <= before, {
      state: () => `${descriptors(scene.agent.pid).length} of ${before}`,
    });
    await scene.isWell();
  }, 120_000);
});

describe.skipIf(!BUILT)("a guest that lies to the agent about shortcuts", () => {
  const words = (...values: number[]) => {
    const payload = new PayloadWriter();
    for (const value of values) payload.u32(value);
    return payload.done();
  };
  const LISTENER = 9;
  const file = () => openSync("/proc/self/maps", "r");

  /** Ends the session of who does it. */
  const ENDS: Record<string, (guest: HandGuest) => void> = {
    "PAIR_ENDED of a pair that is others'": (guest) => guest.call(OP.PAIR_ENDED, 0, words(1, 1)),
    "PAIR_ENDED of a pair that never was": (guest) => guest.call(OP.PAIR_ENDED, 0, words(777, 0)),
    "PAIR_ENDED cut short": (guest) => guest.call(OP.PAIR_ENDED, 0, words(1)),
    "RESTORE of a number that it has not": (guest) => guest.call(OP.RESTORE, 0, words(0, 1, 5)),
    "RESTORE of a listener": (guest) => guest.call(OP.RESTORE, 0, words(0, 1, LISTENER)),
    "RESTORE of more than comes": (guest) => guest.call(OP.RESTORE, 0, words(0, 100, 1)),
    "RESTORE of very many": (guest) => guest.call(OP.RESTORE, 0, words(0, 2 ** 31)),
    "RESTORE that announces descriptors and sends none": (guest) => {
      guest.socket(1);
      guest.call(OP.RESTORE, 0, words(1, 1, 1));
    },
    "RESTORE twice": (guest) => {
      guest.socket(1);
      guest.call(OP.RESTORE, 0, words(0, 2, 1, 1));
    },
  };

  test("each lie that cannot be true ends its session, and nobody else's", async () => {
    const scene = await Scene.set();
    for (const [what, deed] of Object.entries(ENDS)) {
      const { guest } = await scene.hostile();
      const { name } = guest.reply;
      guest.socket(LISTENER);
      const any = new PayloadWriter().endpoint({ address: "0.0.0.0", port: 0, family: 4 });
      guest.call(OP.BIND, LISTENER, any.u32(0).done());
      guest.call(OP.LISTEN, LISTENER, words(10));
      deed(guest);
      await until(`${what}: its session has ended`, async () =>
        (await scene.box.status())?.guests.every((one) => one.name !== name),
      );
      await scene.isWell();
    }
  }, 120_000);

  test("RESTORE with descriptors that are no connections, too many and too few: all are closed in the end", async () => {
    const scene = await Scene.set();
    const { guest } = await scene.hostile();
    const before = descriptors(scene.agent.pid).length;
    for (const n of [1, 3]) {
      const fds = Array.from({ length: n }, file);
      guest.socket(1);
      guest.socket(2);
      guest.sendDescriptors(fds);
      for (const fd of fds) closeFd(fd);
      guest.call(OP.RESTORE, 0, words(1, 2, 1, 2));
      guest.call(OP.CLOSE, 1, words(0));
      guest.call(OP.CLOSE, 2, words(0));
      for (let message = await guest.next(); message.socket !== 2; message = await guest.next());
      expect(descriptors(scene.agent.pid).length).toBe(before);
    }
    await scene.isWell();
  }, 60_000);
});
