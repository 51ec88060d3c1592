import { SeededRandom } from "@outsock/testkit";
import fc from "fast-check";
import pino from "pino";
import { describe, expect, test } from "vitest";
import type { Clock } from "../src/clock.ts";
import type { ApiServer } from "../src/kube/api.ts";
import { guarded, NotLeading } from "../src/kube/guarded-api.ts";
import { LeaderElection } from "../src/kube/leader.ts";
import { MemoryApi } from "./memory-api.ts";
import { VirtualClock } from "./virtual-clock.ts";

const log = pino({ level: "silent" });
const PATH = "/apis/coordination.k8s.io/v1/namespaces/ns/leases/l";

interface Replica {
  election: LeaderElection;
  stop: AbortController;
  done: Promise<void>;
  working: boolean;
}

function replica(identity: string, api: ApiServer, clock: Clock): Replica {
  const stop = new AbortController();
  const one: Replica = { stop, working: false } as Replica;
  one.election = new LeaderElection({
    api,
    clock,
    log,
    namespace: "ns",
    name: "l",
    identity,
    lead: async (lost) => {
      one.working = true;
      await new Promise<void>((resolve) =>
        lost.addEventListener("abort", () => resolve(), { once: true }),
      );
      one.working = false;
    },
  });
  one.done = one.election.run(stop.signal);
  return one;
}

/** A network in which a request may take its time, be lost, or lose its answer. */
function network(
  api: MemoryApi,
  clock: VirtualClock,
  next: () => number,
  slowest = 2_000,
): ApiServer {
  const through = async <T>(call: () => Promise<T>): Promise<T> => {
    await pass(next() * slowest);
    const fate = next();
    if (fate < 0.15) throw new Error("lost on the way");
    const result = await call().then(
      (value) => () => value,
      (error: unknown) => () => {
        throw error;
      },
    );
    await pass(next() * slowest);
    if (fate < 0.3) throw new Error("the answer was lost");
    return result();
  };
  const pass = (ms: number) => new Promise<void>((resolve) => clock.after(ms, resolve));
  return {
    get: (path) => through(() => api.get(path)),
    create: (path, body) => through(() => api.create(path, body)),
    update: (path, body) => through(() => api.update(path, body)),
    patch: (path, kind, body) => through(() => api.patch(path, kind, body)),
    delete: (path) => through(() => api.delete(path)),
    watch: () => Promise.resolve(),
  };
}

describe("leader election", () => {
  test("two replicas, calm network, one leads and the other waits", async () => {
    const clock = new VirtualClock();
    const api = new MemoryApi();
    const [a, b] = [replica("a", api, clock), replica("b", api, clock)];
    await clock.advance(60_000);
    expect([a.working, b.working].filter(Boolean)).toHaveLength(1);
    expect(api.peek<never>(PATH)).toMatchObject({ spec: { leaseTransitions: 0 } });
    for (const one of [a, b]) one.stop.abort();
    await clock.advance(10_000);
    await Promise.all([a.done, b.done]);
  });

  test("the leader stops, its Lease is given back after its work, the other takes it at once", async () => {
    const clock = new VirtualClock();
    const api = new MemoryApi();
    const a = replica("a", api, clock);
    await clock.advance(5_000);
    const b = replica("b", api, clock);
    await clock.advance(5_000);
    expect(a.working).toBe(true);
    a.stop.abort();
    await clock.advance(2_000);
    await a.done;
    expect([a.working, b.working]).toEqual([false, true]);
    b.stop.abort();
    await clock.advance(5_000);
  });

  test("the leader is cut off, it stops before the other may begin", async () => {
    const clock = new VirtualClock();
    const memory = new MemoryApi();
    let cut = false;
    const line = network(memory, clock, () => (cut ? 0 : 0.31), 500);
    const a = replica("a", line, clock);
    await clock.advance(20_000);
    const b = replica("b", memory, clock);
    await clock.advance(20_000);
    expect([a.working, b.working]).toEqual([true, false]);
    cut = true;
    const times = { lost: 0, taken: 0 };
    await clock.advance(40_000, () => {
      if (!a.working && times.lost === 0) times.lost = clock.now();
      if (b.working && times.taken === 0) times.taken = clock.now();
    });
    expect(times.lost).toBeGreaterThan(0);
    expect(times.taken - times.lost).toBeGreaterThanOrEqual(5_000);
    for (const one of [a, b]) one.stop.abort();
    await clock.advance(10_000);
  });

  test("any network, any clocks: two never lead at once, and somebody leads in the end", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer(),
        fc.array(fc.integer({ min: -86_400_000, max: 86_400_000 }), { minLength: 3, maxLength: 3 }),
        async (seed, offsets) => {
          const clock = new VirtualClock();
          const memory = new MemoryApi();
          const random = new SeededRandom(seed);
          let calm = false;
          const next = () => (calm ? 0.31 : random.next());
          const replicas = offsets.map((offset, i) => {
            const own: Clock = {
              now: () => clock.now() + offset,
              after: (ms, job) => clock.after(ms, job),
            };
            return replica(`r${i}`, network(memory, clock, next), own);
          });
          const check = () => {
            expect(replicas.filter(({ working }) => working).length).toBeLessThanOrEqual(1);
            expect(replicas.filter(({ election }) => election.isLeader).length).toBeLessThanOrEqual(
              1,
            );
          };
          await clock.advance(120_000, check);
          calm = true;
          await clock.advance(60_000, check);
          expect(replicas.filter(({ working }) => working)).toHaveLength(1);
          for (const { stop } of replicas) stop.abort();
          await clock.advance(30_000, check);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("a replica that does not lead, it writes, nothing reaches the server", async () => {
    const api = new MemoryApi();
    const quiet = guarded(api, () => false);
    await expect(quiet.create("/api/v1/pods", {})).rejects.toThrow(NotLeading);
    await expect(quiet.patch("/api/v1/pods/a", "merge", {})).rejects.toThrow(NotLeading);
    await expect(quiet.delete("/api/v1/pods/a")).rejects.toThrow(NotLeading);
    expect(api.writes()).toEqual([]);
  });
});
