import pino from "pino";
import { expect, test } from "vitest";
import { ApiError, type KubeObject } from "../src/kube/api.ts";
import { Namespaces } from "../src/pods/namespaces.ts";
import { VirtualClock } from "./virtual-clock.ts";

const log = pino({ level: "silent" });

function reading(labels: Record<string, string> | ApiError) {
  const clock = new VirtualClock();
  const asked: string[] = [];
  const api = {
    async get<T>(path: string): Promise<T> {
      asked.push(path);
      if (labels instanceof ApiError) throw labels;
      return { metadata: { labels } } satisfies KubeObject as T;
    },
  };
  const namespaces = new Namespaces({ api, clock, log, excluded: ["kube-system"] });
  return { clock, asked, namespaces };
}

test("the label stands on a namespace, it opts out; the answer is kept for a minute", async () => {
  const { clock, asked, namespaces } = reading({ "outsock.dev/inject": "disabled" });
  expect(await namespaces.leftOut("shop")).toBe("label");
  expect(await namespaces.leftOut("shop")).toBe("label");
  expect(asked).toEqual(["/api/v1/namespaces/shop"]);
  clock.jump(61_000);
  await namespaces.leftOut("shop");
  expect(asked).toHaveLength(2);
});

test("the release leaves a namespace out, nobody is asked", async () => {
  const { asked, namespaces } = reading({});
  expect(await namespaces.leftOut("kube-system")).toBe("release");
  expect(asked).toEqual([]);
});

test("another label, or no right to read namespaces: it takes part", async () => {
  expect(await reading({ "outsock.dev/inject": "x" }).namespaces.leftOut("a")).toBeUndefined();
  const forbidden = reading(new ApiError(403, "Forbidden", "no"));
  expect(await forbidden.namespaces.leftOut("a")).toBeUndefined();
});
