import { availableParallelism } from "node:os";
import { watchProcessors } from "@outsock/hostsys";
import { expect, it } from "vitest";
import { runnableTasks } from "../src/processors.ts";

const tasksIn = (text: string): number | undefined => {
  const bytes = new TextEncoder().encode(text.padEnd(64));
  return runnableTasks(bytes, text.length);
};

it("/proc/loadavg: the number of runnable tasks", () => {
  expect(tasksIn("0.20 0.18 0.12 1/80 11206\n")).toBe(1);
  expect(tasksIn("112.20 98.18 77.12 124/8043 1206\n")).toBe(124);
});

it("/proc/loadavg that does not count tasks, or is something else: undefined", () => {
  expect(tasksIn("0.00 0.00 0.00 0/0 0\n")).toBeUndefined();
  expect(tasksIn("0.20 0.18 0.12 1")).toBeUndefined();
  expect(tasksIn("some other file that has a / in it\n")).toBeUndefined();
  expect(tasksIn("")).toBeUndefined();
});

it("this machine: processors as Node counts them at most, switches never fall", () => {
  const watch = watchProcessors();
  expect(watch.processors).toBeGreaterThanOrEqual(1);
  expect(watch.processors).toBeLessThanOrEqual(availableParallelism());
  const before = watch.involuntarySwitches();
  expect([true, false, undefined]).toContain(watch.contended());
  expect(watch.involuntarySwitches()).toBeGreaterThanOrEqual(before);
});
