import pino from "pino";
import { describe, expect, test } from "vitest";
import { type KubeObject, keyOf, pathOf, RESOURCES } from "../src/kube/api.ts";
import { EventRecorder } from "../src/kube/events.ts";
import { Informer } from "../src/kube/informer.ts";
import { WorkQueue } from "../src/kube/work-queue.ts";
import { MemoryApi } from "./memory-api.ts";
import { VirtualClock } from "./virtual-clock.ts";

const log = pino({ level: "silent" });
const PODS = "/api/v1/namespaces/ns/pods";
const pod = (name: string, label = "x"): KubeObject => ({
  metadata: { name, namespace: "ns", labels: { label } },
});

describe("paths", () => {
  test("core and group, with and without namespace, name and subresource", () => {
    expect(pathOf(RESOURCES.pods)).toBe("/api/v1/pods");
    expect(pathOf(RESOURCES.virtualMachines, "a", "b", "status")).toBe(
      "/apis/outsock.dev/v1alpha1/namespaces/a/virtualmachines/b/status",
    );
    expect(pathOf(RESOURCES.webhooks, undefined, "a/b")).toBe(
      "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/a%2Fb",
    );
  });
});

describe("an informer", () => {
  async function started() {
    const api = new MemoryApi();
    const clock = new VirtualClock();
    api.put(PODS, pod("a"));
    const informer = new Informer<KubeObject>({
      api,
      clock,
      log,
      path: "/api/v1/pods",
      random: () => 0.5,
    });
    const seen: string[] = [];
    informer.onChange((now, before) => {
      const verb = !before ? "added" : !now ? "gone" : now === before ? "resync" : "changed";
      seen.push(`${verb} ${(now ?? before)!.metadata.name}`);
    });
    const stop = new AbortController();
    const done = informer.run(stop.signal);
    await clock.advance(1);
    const end = async () => {
      stop.abort();
      await clock.advance(1);
      await done;
    };
    return { api, clock, informer, seen, end };
  }

  test("it lists, then follows what is added, changed and removed", async () => {
    const { api, clock, informer, seen, end } = await started();
    expect(informer.isSynced).toBe(true);
    api.put(PODS, pod("b"));
    api.put(PODS, pod("a", "y"));
    api.remove(`${PODS}/b`);
    await clock.advance(1);
    expect(seen).toEqual(["added a", "added b", "changed a", "gone b"]);
    expect(informer.list().map(keyOf)).toEqual(["ns/a"]);
    await end();
  });

  test("the watch ends, it goes on from where it was, without a new list", async () => {
    const { api, clock, seen, end } = await started();
    await clock.advance(300_000);
    api.breakWatches();
    api.put(PODS, pod("b"));
    await clock.advance(2_000);
    expect(seen).toEqual(["added a", "added b"]);
    expect(api.requests.filter(({ method }) => method === "GET")).toHaveLength(1);
    await end();
  });

  test("the server has forgotten where it was (410), it lists again and tells what went meanwhile", async () => {
    const { api, clock, seen, end } = await started();
    await clock.advance(300_000);
    api.breakWatches(true);
    api.remove(`${PODS}/a`);
    api.put(PODS, pod("b"));
    api.breakWatches(true);
    await clock.advance(5_000);
    expect(seen).toEqual(["added a", "added b", "gone a"]);
    await end();
  });

  test("the server fails, it asks ever less often, and is back when the server is", async () => {
    const { api, clock, seen, end } = await started();
    let asked = 0;
    const { watch, get } = api;
    api.watch = () => Promise.reject(new Error("refused"));
    api.get = () => {
      asked++;
      return Promise.reject(new Error("refused"));
    };
    api.breakWatches(true);
    await clock.advance(600_000);
    expect(asked).toBeLessThan(40);
    Object.assign(api, { watch, get });
    api.put(PODS, pod("b"));
    await clock.advance(60_000);
    expect(seen.filter((one) => !one.startsWith("resync"))).toEqual(["added a", "added b"]);
    await end();
  });

  test("time passes, every object is told again", async () => {
    const { clock, seen, end } = await started();
    await clock.advance(11 * 60_000);
    expect(seen).toEqual(["added a", "resync a"]);
    await end();
  });
});

describe("a work queue", () => {
  function queue(work: (key: string) => Promise<void>, options = {}) {
    const clock = new VirtualClock();
    const errors: string[] = [];
    const one = new WorkQueue({ clock, work, onError: (key) => errors.push(key), ...options });
    one.start();
    return { clock, errors, queue: one };
  }

  test("a key added many times is worked on once, and again if it was added meanwhile", async () => {
    const begun: string[] = [];
    const waits: (() => void)[] = [];
    const { clock, queue: one } = queue((key) => {
      begun.push(key);
      return new Promise((resolve) => waits.push(resolve));
    });
    for (const key of ["a", "a", "a"]) one.add(key);
    await clock.advance(1);
    expect(begun).toEqual(["a"]);
    waits[0]?.();
    await clock.advance(1);
    expect(begun).toEqual(["a", "a"]);
    waits[1]?.();
    await clock.advance(60_000);
    expect(begun).toEqual(["a", "a"]);
  });

  test("work fails, it is tried again after 0.5, 1, 2, ... seconds, at most 5 minutes", async () => {
    const at: number[] = [];
    const {
      clock,
      errors,
      queue: one,
    } = queue(() => {
      at.push(clock.now());
      return Promise.reject(new Error("no"));
    });
    one.add("a");
    await clock.advance(60 * 60_000);
    const gaps = at.slice(1).map((time, i) => time - at[i]!);
    expect(gaps.slice(0, 4)).toEqual([500, 1_000, 2_000, 4_000]);
    expect(gaps.at(-1)).toBe(300_000);
    expect(errors).toHaveLength(at.length);
    await one.stop();
  });

  test("many keys at once, a burst goes through and the rest at the rate", async () => {
    let done = 0;
    const { clock, queue: one } = queue(
      async () => {
        done++;
      },
      { burst: 10, perSecond: 5 },
    );
    for (let i = 0; i < 100; i++) one.add(`k${i}`);
    await clock.advance(0);
    expect(done).toBe(10);
    await clock.advance(4_000);
    expect(done).toBeGreaterThanOrEqual(28);
    expect(done).toBeLessThanOrEqual(31);
    await clock.advance(60_000);
    expect(done).toBe(100);
  });

  test("it is stopped, what had begun ends first and nothing begins any more", async () => {
    const begun: string[] = [];
    let finish = () => {};
    const { clock, queue: one } = queue(
      (key) => {
        begun.push(key);
        return new Promise((resolve) => {
          finish = resolve;
        });
      },
      { workers: 1 },
    );
    one.add("a");
    one.add("b");
    one.addAfter("c", 1_000);
    let stopped = false;
    const stopping = one.stop().then(() => {
      stopped = true;
    });
    await clock.advance(5_000);
    expect([begun, stopped]).toEqual([["a"], false]);
    finish();
    await stopping;
    await clock.advance(5_000);
    expect(begun).toEqual(["a"]);
  });
});

describe("events", () => {
  const about: KubeObject = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "p", namespace: "ns", uid: "u" },
  };
  const notice = { type: "Warning", reason: "Native", note: "because" } as const;

  test("the same is said twice, it is written once; after half an hour it joins the series", async () => {
    const api = new MemoryApi();
    const clock = new VirtualClock();
    const events = new EventRecorder({ api, clock, log, instance: "me" });
    await events.say(about, notice);
    await events.say(about, notice);
    expect(api.writes()).toHaveLength(1);
    expect(api.writes()[0]?.body).toMatchObject({
      reason: "Native",
      note: "because",
      type: "Warning",
      eventTime: "2030-01-01T00:00:00.000000Z",
      regarding: { kind: "Pod", name: "p", uid: "u" },
    });
    clock.jump(31 * 60_000);
    await events.say(about, notice);
    expect(api.writes().at(-1)).toMatchObject({
      method: "PATCH merge",
      body: { series: { count: 2 } },
    });
  });

  test("events cannot be written, nothing else fails by that", async () => {
    const api = new MemoryApi();
    api.create = () => Promise.reject(new Error("the namespace is going"));
    const events = new EventRecorder({ api, clock: new VirtualClock(), log, instance: "me" });
    await expect(events.say(about, notice)).resolves.toBeUndefined();
  });
});
