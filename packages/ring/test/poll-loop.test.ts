import { HaltPoll, type Pollable, PollLoop } from "@outsock/ring";
import { describe, expect, it } from "vitest";

describe("the halt-polling rule", () => {
  const make = () => new HaltPoll({ start: 10, maximum: 200 });

  it("short waits: the window grows from 0 to start, then doubles up to the maximum", () => {
    const halt = make();
    const windows = Array.from({ length: 7 }, () => {
      halt.waited(Math.min(halt.window + 1, 199));
      return halt.window;
    });
    expect(windows).toEqual([10, 20, 40, 80, 160, 200, 200]);
  });

  it("a wait within the window: the window stays", () => {
    const halt = make();
    halt.waited(5);
    halt.waited(10);
    expect(halt.window).toBe(10);
  });

  it("nothing came of what was expected: the window halves", () => {
    const halt = make();
    for (let i = 0; i < 3; i++) halt.waited(halt.window + 1);
    halt.missed();
    expect(halt.window).toBe(20);
  });

  it("long waits: the window halves, and is 0 below start", () => {
    const halt = make();
    for (let i = 0; i < 3; i++) halt.waited(halt.window + 1);
    const windows = Array.from({ length: 4 }, () => {
      halt.waited(1000);
      return halt.window;
    });
    expect(windows).toEqual([20, 10, 0, 0]);
  });
});

describe("a poll loop", () => {
  class FakePort implements Pollable {
    events = 0;
    asleep = true;
    looks = 0;
    readonly counters = { doorbellsSent: 0, doorbellsSaved: 0, wakeups: 0, polls: 0 };
    /** Events that come between the look at the queue and the sleep. */
    late = 0;

    drain(): number {
      this.looks++;
      const handled = this.events;
      this.events = 0;
      return handled;
    }

    trySleep(): boolean {
      this.events += this.late;
      this.late = 0;
      this.asleep = this.events === 0;
      return this.asleep;
    }

    wake(): void {
      this.asleep = false;
    }
  }

  function makeLoop(processors?: number) {
    let now = 0;
    let switches = 0;
    let contended: boolean | undefined;
    let looks = 0;
    const turns: (() => void)[] = [];
    const loop = new PollLoop({
      start: 10,
      maximum: 200,
      now: () => now,
      involuntarySwitches: () => switches,
      ...(processors === undefined ? {} : { processors }),
      contended: () => {
        looks++;
        return contended;
      },
      defer: (turn) => turns.push(turn),
    });
    return {
      loop,
      turns,
      contend: (now: boolean | undefined) => {
        contended = now;
      },
      /** How often it was asked whether the processors are contended. */
      looks: () => looks,
      lose: (times: number) => {
        switches += times;
      },
      advance: (microseconds: number) => {
        now += microseconds;
      },
      turn: () => {
        const due = turns.splice(0);
        for (const run of due) run();
        return due.length;
      },
    };
  }

  it("rung: drains at once, and sleeps in the next turn while the window is 0", () => {
    const { loop, turn, advance } = makeLoop();
    const port = new FakePort();
    port.events = 3;
    advance(1000);
    loop.rung(port);
    expect(port.events).toBe(0);
    expect(port.asleep).toBe(false);
    expect(turn()).toBe(1);
    expect(port.asleep).toBe(true);
    expect(turn()).toBe(0);
  });

  it("rung twice before its turn: one turn", () => {
    const { loop, turns } = makeLoop();
    const port = new FakePort();
    loop.rung(port);
    loop.rung(port);
    expect(turns.length).toBe(1);
  });

  it("polling pays: stays awake for the window after the last event, then sleeps", () => {
    const { loop, turn, advance } = makeLoop();
    const port = new FakePort();
    loop.rung(port);
    turn();
    advance(5);
    port.events = 1;
    loop.rung(port);
    advance(9);
    turn();
    expect(port.asleep).toBe(false);
    advance(1);
    turn();
    expect(port.asleep).toBe(true);
  });

  it("crowded processors: sleeps although polling would pay; polls again once they are free", () => {
    const { loop, turn, advance, lose } = makeLoop();
    const port = new FakePort();
    const events = (): void => {
      port.events = 1;
      loop.rung(port);
    };
    // Events every 50 us make the window grow.
    for (let i = 0; i < 20; i++) {
      advance(50);
      events();
    }
    advance(4100);
    events();
    lose(2);
    advance(10);
    turn();
    expect(port.asleep).toBe(true);
    for (let i = 0; i < 120; i++) {
      advance(50);
      events();
      turn();
    }
    advance(10);
    turn();
    expect(port.asleep).toBe(false);
  });

  it("event comes while it falls asleep: stays awake and takes it in the next turn", () => {
    const { loop, turn, advance } = makeLoop();
    const port = new FakePort();
    advance(1000);
    loop.rung(port);
    port.late = 1;
    turn();
    expect(port.asleep).toBe(false);
    expect(turn()).toBe(1);
    expect(port.events).toBe(0);
  });

  it("removed port: not drained and not put to sleep", () => {
    const { loop, turn } = makeLoop();
    const port = new FakePort();
    loop.rung(port);
    loop.remove(port);
    port.events = 1;
    turn();
    expect(port.events).toBe(1);
    expect(turn()).toBe(0);
  });

  /** Events every 50 us, each handled when the doorbell rings, make the port's window grow. */
  function warm({ loop, advance }: ReturnType<typeof makeLoop>, port: FakePort): void {
    for (let i = 0; i < 20; i++) {
      advance(50);
      port.events = 1;
      loop.rung(port);
    }
  }

  it("one processor: never polls", () => {
    const made = makeLoop(1);
    const port = new FakePort();
    warm(made, port);
    made.turn();
    expect(port.asleep).toBe(true);
    expect(made.looks()).toBe(0);
  });

  it("more tasks than processors, seen three times in a row: sleeps; polls when they are fewer", () => {
    const made = makeLoop(2);
    const { advance, contend, loop, turn } = made;
    const port = new FakePort();
    warm(made, port);
    contend(true);
    const asleep = Array.from({ length: 4 }, () => {
      advance(5000);
      port.events = 1;
      loop.rung(port);
      advance(10);
      turn();
      warm(made, port);
      turn();
      advance(10);
      turn();
      return port.asleep;
    });
    expect(asleep).toEqual([false, false, true, true]);
    contend(false);
    advance(5000);
    warm(made, port);
    turn();
    advance(10);
    turn();
    warm(made, port);
    turn();
    advance(10);
    turn();
    expect(port.asleep).toBe(false);
  });

  it("polling for 20 ms: asks for contention every 5 ms at most", () => {
    const made = makeLoop(2);
    const port = new FakePort();
    warm(made, port);
    const before = made.looks();
    for (let at = 0; at < 20_000; at += 10) {
      made.advance(10);
      if (at % 50 === 0) port.events = 1;
      made.turn();
    }
    expect(made.looks() - before).toBeLessThanOrEqual(4);
    expect(port.asleep).toBe(false);
  });

  it("a busy port beside one that waits in vain: the latter sleeps after its own window", () => {
    const made = makeLoop(2);
    const { advance, loop, turn } = made;
    const busy = new FakePort();
    const vain = new FakePort();
    warm(made, vain);
    turn();
    for (let at = 0; at < 250; at += 10) {
      advance(10);
      busy.events = 1;
      loop.rung(busy);
      turn();
    }
    expect(vain.asleep).toBe(true);
    expect(busy.asleep).toBe(false);
  });

  it("a slow port beside a quick one: the quick one goes on to poll", () => {
    const made = makeLoop(2);
    const { advance, loop, turn } = made;
    const quick = new FakePort();
    const slow = new FakePort();
    warm(made, quick);
    for (let i = 0; i < 20; i++) {
      for (let n = 0; n < 20; n++) {
        advance(50);
        quick.events = 1;
        turn();
      }
      slow.events = 1;
      loop.rung(slow);
    }
    advance(40);
    turn();
    expect(quick.asleep).toBe(false);
    expect(slow.asleep).toBe(true);
  });

  it("an answer is expected: its wait begins then, not when the port was last heard of", () => {
    const made = makeLoop(2);
    const { advance, loop, turn } = made;
    const port = new FakePort();
    warm(made, port);
    advance(1000);
    turn();
    expect(port.asleep).toBe(true);
    advance(100_000);
    loop.expect(port);
    advance(50);
    turn();
    expect(port.asleep).toBe(false);
    port.events = 1;
    turn();
    expect(port.events).toBe(0);
  });

  it("answers expected that never come: polls less and less, then not at all", () => {
    const made = makeLoop(2);
    const { advance, loop, turn } = made;
    const port = new FakePort();
    warm(made, port);
    const polled = Array.from({ length: 8 }, () => {
      loop.expect(port);
      let microseconds = 0;
      for (; turn() > 0 && !port.asleep; microseconds += 10) advance(10);
      advance(100);
      return microseconds;
    });
    expect(polled).toEqual([80, 80, 40, 20, 10, 0, 0, 0]);
  });

  it("twenty ports asleep and two awake: a turn looks at two", () => {
    const made = makeLoop(2);
    const ports = Array.from({ length: 22 }, () => new FakePort());
    for (const port of ports) made.loop.expect(port);
    made.advance(1000);
    made.turn();
    expect(ports.every((port) => port.asleep)).toBe(true);
    const awake = [ports[3]!, ports[17]!];
    for (let i = 0; i < 20; i++) {
      made.advance(50);
      for (const port of awake) {
        port.events = 1;
        made.loop.rung(port);
      }
    }
    for (const port of ports) {
      port.looks = 0;
      port.counters.polls = 0;
    }
    for (let n = 0; n < 10; n++) made.turn();
    for (const port of ports) {
      expect(port.looks).toBe(awake.includes(port) ? 10 : 0);
    }
    expect(awake[0]!.counters.polls).toBe(10);
  });

  it("ports that wake each other without end: a turn looks at each once", () => {
    const { loop, turn } = makeLoop(2);
    const ports: [FakePort, FakePort] = [new FakePort(), new FakePort()];
    for (const [i, port] of ports.entries()) {
      const other = ports[1 - i]!;
      port.drain = () => {
        port.looks++;
        loop.expect(other);
        return 0;
      };
      loop.expect(port);
    }
    turn();
    expect(ports.map((port) => port.looks)).toEqual([1, 1]);
  });

  it("drain throws: the turn throws, and the other ports are looked at in the next one", () => {
    const { loop, turn } = makeLoop(2);
    const ports: [FakePort, FakePort] = [new FakePort(), new FakePort()];
    for (const port of ports) loop.expect(port);
    ports[0].drain = () => {
      loop.remove(ports[0]);
      throw new Error("broken");
    };
    expect(turn).toThrow("broken");
    turn();
    expect(ports[1].looks).toBe(1);
  });
});
