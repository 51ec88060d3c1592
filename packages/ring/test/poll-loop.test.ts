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
    /** Events that come between the look at the queue and the sleep. */
    late = 0;

    drain(): number {
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

  function makeLoop() {
    let now = 0;
    let switches = 0;
    const turns: (() => void)[] = [];
    const loop = new PollLoop({
      start: 10,
      maximum: 200,
      now: () => now,
      involuntarySwitches: () => switches,
      defer: (turn) => turns.push(turn),
    });
    return {
      loop,
      turns,
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
});
