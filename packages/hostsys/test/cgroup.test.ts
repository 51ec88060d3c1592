import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryHeadroom } from "@outsock/hostsys";
import { afterEach, beforeEach, expect, it } from "vitest";
import { cpuQuotaIn, headroomIn } from "../src/cgroup.ts";

let root: string;

function cgroup(path: string, files: Record<string, string | number>): void {
  mkdirSync(join(root, path), { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(root, path, name), `${content}\n`);
  }
}

const v2 = (max: string | number, current: number, inactive = 0) => ({
  "memory.max": max,
  "memory.current": current,
  "memory.stat": `anon 5\ninactive_anon 99\ninactive_file ${inactive}\nfile 7`,
});

const v1 = (limit: string | number, usage: number, inactive = 0) => ({
  "memory.limit_in_bytes": limit,
  "memory.usage_in_bytes": usage,
  "memory.stat": `inactive_file 1\ntotal_inactive_file ${inactive}`,
});

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "hostsys-cgroup-"));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

it("v2: limit less usage, droppable page cache counted as free", () => {
  cgroup("a/b", v2(1000, 400, 150));
  expect(headroomIn("0::/a/b\n", root)).toBe(750);
});

it("v2: the tightest ancestor counts", () => {
  cgroup("a", v2(1000, 900));
  cgroup("a/b", v2("max", 10));
  cgroup("a/b/c", v2(500, 10));
  expect(headroomIn("0::/a/b/c\n", root)).toBe(100);
});

it("v2: no limit anywhere is null, as is no cgroup at all", () => {
  cgroup("a", v2("max", 900));
  expect(headroomIn("0::/a\n", root)).toBeNull();
  expect(headroomIn("0::/none\n", root)).toBeNull();
  expect(headroomIn("", root)).toBeNull();
});

it("v2 in a container: the mount's root is the own cgroup, whatever the path says", () => {
  cgroup("", v2(2048, 48));
  expect(headroomIn("0::/\n", root)).toBe(2000);
  expect(headroomIn("0::/kubepods/pod1/abc\n", root)).toBe(2000);
  expect(headroomIn("0::/../../other\n", root)).toBe(2000);
});

it("usage over the limit is 0, not negative; page cache is never more than usage", () => {
  cgroup("a", v2(1000, 1200));
  expect(headroomIn("0::/a\n", root)).toBe(0);
  cgroup("b", v2(1000, 100, 5000));
  expect(headroomIn("0::/b\n", root)).toBe(1000);
});

it("v1: the memory controller's path, its total_ figure, its huge number for no limit", () => {
  cgroup("memory/docker/x", v1(1000, 600, 100));
  cgroup("memory/docker", v1("9223372036854771712", 600));
  const text = "9:name=systemd:/y\n5:cpu,cpuacct:/z\n4:memory:/docker/x\n0::/\n";
  expect(headroomIn(text, root)).toBe(500);
  cgroup("memory/docker/x", v1("9223372036854771712", 600));
  expect(headroomIn(text, root)).toBeNull();
});

it("v1 in a container without a cgroup namespace: the mount's root", () => {
  cgroup("memory", v1(4096, 96));
  expect(headroomIn("4:hugetlb,memory:/docker/abc\n0::/\n", root)).toBe(4000);
});

it("a path with colons is taken whole; unreadable figures are passed over", () => {
  cgroup("a:b", v2(1000, 1));
  expect(headroomIn("0::/a:b\n", root)).toBe(999);
  cgroup("c", { "memory.max": "garbage", "memory.current": 5 });
  expect(headroomIn("0::/c\n", root)).toBeNull();
  cgroup("d", { "memory.max": 100, "memory.current": 5 });
  expect(headroomIn("0::/d\n", root)).toBe(95);
});

it("of this process: null or a count of bytes", () => {
  const headroom = memoryHeadroom();
  expect(headroom === null || (Number.isSafeInteger(headroom) && headroom >= 0)).toBe(true);
});

it("processors, v2: quota over period, the tightest ancestor counts; none is Infinity", () => {
  cgroup("a", { "cpu.max": "150000 100000" });
  cgroup("a/b", { "cpu.max": "max 100000" });
  cgroup("a/b/c", { "cpu.max": "400000 100000" });
  expect(cpuQuotaIn("0::/a/b/c\n", root)).toBe(1.5);
  expect(cpuQuotaIn("0::/other\n", root)).toBe(Number.POSITIVE_INFINITY);
  expect(cpuQuotaIn("", root)).toBe(Number.POSITIVE_INFINITY);
});

it("processors, v1: quota and period of the cpu controller, -1 is no limit", () => {
  cgroup("cpu/a", { "cpu.cfs_quota_us": 50000, "cpu.cfs_period_us": 100000 });
  cgroup("cpu/b", { "cpu.cfs_quota_us": -1, "cpu.cfs_period_us": 100000 });
  expect(cpuQuotaIn("4:cpu,cpuacct:/a\n0::/\n", root)).toBe(0.5);
  expect(cpuQuotaIn("4:cpu,cpuacct:/b\n3:memory:/a\n", root)).toBe(Number.POSITIVE_INFINITY);
});
