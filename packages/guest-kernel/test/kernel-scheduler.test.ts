import { expect, test } from "vitest";
import { Scheduler } from "../src/kernel/scheduler.ts";

function scheduler(): { threads: Scheduler; turns: (() => void)[]; between: { count: number } } {
  const turns: (() => void)[] = [];
  const between = { count: 0 };
  const threads = new Scheduler({
    defer: (turn) => turns.push(turn),
    betweenThreads: () => between.count++,
  });
  return { threads, turns, between };
}

test("threads run in the order in which they became runnable, in a later turn", () => {
  const { threads, turns, between } = scheduler();
  const ran: number[] = [];
  for (const n of [1, 2, 3]) threads.ready(() => ran.push(n));
  expect(ran).toEqual([]);
  expect(turns).toHaveLength(1);
  turns[0]!();
  expect(ran).toEqual([1, 2, 3]);
  expect(between.count).toBe(2);
});

test("threads that become runnable meanwhile run in the same turn", () => {
  const { threads, turns } = scheduler();
  const ran: string[] = [];
  threads.ready(() => {
    ran.push("first");
    threads.ready(() => ran.push("second"));
  });
  threads.run();
  expect(ran).toEqual(["first", "second"]);
  turns[0]!();
  expect(ran).toEqual(["first", "second"]);
});

test("a thread that throws throws to its program, and the others run the next turn", () => {
  const { threads, turns } = scheduler();
  const ran: number[] = [];
  threads.ready(() => ran.push(1));
  threads.ready(() => {
    throw new Error("thrown by the program");
  });
  threads.ready(() => ran.push(3));
  expect(() => turns[0]!()).toThrow("thrown by the program");
  expect(ran).toEqual([1]);
  expect(turns).toHaveLength(2);
  turns[1]!();
  expect(ran).toEqual([1, 3]);
});

test("run within a thread does nothing", () => {
  const { threads } = scheduler();
  const ran: number[] = [];
  threads.ready(() => {
    threads.run();
    ran.push(1);
  });
  threads.ready(() => ran.push(2));
  threads.run();
  expect(ran).toEqual([1, 2]);
});

test("threads without end give the event loop its turn", () => {
  const { threads, turns } = scheduler();
  let ran = 0;
  const again = (): void => {
    ran++;
    if (ran < 10_000) threads.ready(again);
  };
  threads.ready(again);
  turns[0]!();
  expect(ran).toBe(4096);
  turns[1]!();
  expect(ran).toBe(8192);
});
