import pino from "pino";
import { expect, test } from "vitest";
import type { UntouchedReport } from "../src/agents/guests.ts";
import { EventRecorder } from "../src/kube/events.ts";
import { trimPod } from "../src/pods/facts.ts";
import type { Pod } from "../src/pods/types.ts";
import { UntouchedWatch } from "../src/pods/untouched.ts";
import { fixture } from "./fixtures.ts";
import { MemoryApi } from "./memory-api.ts";
import { VirtualClock } from "./virtual-clock.ts";

const log = pino({ level: "silent" });
const [recorded] = fixture<{ items: Pod[] }>("pods-waiting").items.map(trimPod);
const { namespace, name, uid } = recorded!.metadata;
const NODE = recorded!.spec.nodeName!;
const EVENTS = `/apis/events.k8s.io/v1/namespaces/${namespace}/events`;

function watching() {
  const clock = new VirtualClock();
  const api = new MemoryApi();
  const events = new EventRecorder({ api, clock, log, instance: "one" });
  const answers = new Map<string, UntouchedReport[]>();
  const pods: Pod[] = [structuredClone(recorded!)];
  const counts: number[] = [];
  const watch = new UntouchedWatch({
    clock,
    log,
    events,
    agents: {
      untouchedOn: async (node) => {
        const answer = answers.get(node);
        if (!answer) throw new Error("silent");
        return answer;
      },
    },
    pods: () => pods,
    onCount: (count) => counts.push(count),
  });
  const report = (container: string, change: Partial<UntouchedReport> = {}): UntouchedReport => ({
    namespace: namespace!,
    pod: name!,
    uid: uid!,
    container,
    reason: "Node.js 18.20.4 is older than 20",
    ...change,
  });
  const notes = () =>
    api.under(EVENTS).map((event) => {
      const { reason, note } = event as unknown as { reason: string; note: string };
      return `${reason}: ${note}`;
    });
  return { clock, watch, answers, pods, counts, report, notes };
}

test("an agent tells of containers that run natively, their pod gets one event for each", async () => {
  const { clock, watch, answers, counts, report, notes } = watching();
  answers.set(NODE, [report("web"), report("log")]);
  await watch.look();
  // Once for all: also after the recorder would say it again, and after the agent forgot.
  clock.jump(3_600_000);
  await watch.look();
  answers.set(NODE, []);
  await watch.look();
  expect(notes().sort()).toEqual([
    "Untouched: Node.js in container log runs natively: Node.js 18.20.4 is older than 20. A guest is Node.js 20 or later on Linux, x64 or arm64",
    "Untouched: Node.js in container web runs natively: Node.js 18.20.4 is older than 20. A guest is Node.js 20 or later on Linux, x64 or arm64",
  ]);
  expect(counts).toEqual([2, 2, 2]);
});

test("the pod is gone, it is counted no longer", async () => {
  const { watch, answers, pods, counts, report } = watching();
  answers.set(NODE, [report("web")]);
  await watch.look();
  pods.length = 0;
  await watch.look();
  expect(counts).toEqual([1, 0]);
});

test("an agent speaks of an unknown pod or of another node's, nothing is said", async () => {
  const { watch, answers, pods, counts, report, notes } = watching();
  const other = structuredClone(recorded!);
  other.metadata = { ...other.metadata, name: "other", uid: "other" };
  other.spec.nodeName = "elsewhere";
  pods.push(other);
  answers.set(NODE, [report("web", { uid: "unknown" }), report("web", { uid: "other" })]);
  await watch.look();
  expect(notes()).toEqual([]);
  expect(counts).toEqual([0]);
});

test("leading ends, the watch ends and the count is the next leader's", async () => {
  const { clock, watch, answers, counts, report, notes } = watching();
  answers.set(NODE, [report("web")]);
  const leading = new AbortController();
  const running = watch.run(leading.signal);
  await clock.advance(20_000);
  expect(counts).toEqual([1, 1]);
  leading.abort();
  await running;
  expect(counts.at(-1)).toBe(0);
  await watch.look();
  expect(notes()).toHaveLength(1);
});
