import { afterEach, describe, expect, it } from "vitest";
import { phases } from "../src/core/think.ts";
import { loadCatalogue, loadTable } from "../src/data.ts";
import { type LoadOptions, runLoad } from "../src/driver.ts";
import { type Exchange, replay, replayCoverage } from "../src/replay.ts";
import { formatSummary } from "../src/table.ts";
import { type FakeWebTier, fakeWebTier } from "./web-tier.ts";

let tier: FakeWebTier | undefined;
afterEach(async () => {
  await tier?.close();
  tier = undefined;
});

const options = (url: string): LoadOptions => ({
  url,
  table: loadTable("bidding"),
  catalogue: loadCatalogue(1),
  clients: 4,
  seed: 1,
  slowdown: 0,
  phases: phases(0, Number.POSITIVE_INFINITY, 0),
});

describe("load", () => {
  it("stops after the interactions asked for, over one connection a client", async () => {
    tier = await fakeWebTier();
    const seen: string[] = [];
    const { summary, aborted } = await runLoad({
      ...options(tier.url),
      interactions: 2000,
      onPhase: (phase) => seen.push(phase),
    });
    expect(aborted).toBe(false);
    expect(summary.interactions).toBe(2000);
    expect(summary.errors).toBe(0);
    expect(summary.states.reduce((sum, state) => sum + state.count, 0)).toBe(2000);
    expect(summary.sessions).toBeGreaterThan(10);
    expect(summary.throughput).toBeCloseTo(2000 / summary.seconds);
    expect(tier.connections()).toBe(4);
    expect(seen).toEqual(["run", "end"]);
    expect(formatSummary(summary)).toMatch(/^all +100\.0 % +2000 +0 /m);
  });

  it("an error counts, and the client starts again at Home", async () => {
    tier = await fakeWebTier((path, response) => {
      response.statusCode = path === "/" ? 200 : 500;
      response.end("");
    });
    const { summary } = await runLoad({ ...options(tier.url), clients: 1, interactions: 100 });
    expect(summary.errors).toBeGreaterThan(0);
    expect(summary.errors + summary.interactions).toBe(100);
    expect(summary.errorSamples[0]).toMatch(/status 500 for \//);
    const afterFailure = tier.requests.filter((_, at) => at > 0 && tier?.requests[at - 1] !== "/");
    expect(new Set(afterFailure)).toEqual(new Set(["/"]));
  });

  it("a refused connection counts as an error", async () => {
    tier = await fakeWebTier();
    const { url } = tier;
    await tier.close();
    const { summary } = await runLoad({ ...options(url), clients: 1, interactions: 2 });
    expect(summary.errors).toBe(2);
    expect(summary.errorSamples[0]).toMatch(/ECONNREFUSED/);
  });

  it("an abort ends it with what was measured so far", async () => {
    const stop = new AbortController();
    let answered = 0;
    tier = await fakeWebTier((_path, response) => {
      answered += 1;
      if (answered > 50) stop.abort();
      else response.end("<p>page</p>");
    });
    const { summary, aborted } = await runLoad({
      ...options(tier.url),
      clients: 1,
      signal: stop.signal,
    });
    expect(aborted).toBe(true);
    expect(summary.interactions).toBe(50);
    expect(summary.errors).toBe(0);
  });

  it("a Sorry page is an answer and sends the client back", async () => {
    tier = await fakeWebTier((_path, response) => response.end("Sorry, no such thing."));
    const { summary } = await runLoad({ ...options(tier.url), clients: 1, interactions: 20 });
    expect(summary.sorry).toBe(20);
    expect(new Set(tier.requests)).toEqual(new Set(["/"]));
  });
});

describe("replay", () => {
  const collect = async (pages: AsyncIterable<Exchange>): Promise<Exchange[]> => {
    const all: Exchange[] = [];
    for await (const page of pages) all.push(page);
    return all;
  };

  it("the same seed asks the same pages in the same order", async () => {
    tier = await fakeWebTier();
    const given = { ...options(tier.url), interactions: 300 };
    const [first, again, other] = [
      await collect(replay(given)),
      await collect(replay(given)),
      await collect(replay({ ...given, seed: 2 })),
    ];
    expect(first).toHaveLength(300);
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });

  it("coverage visits every state", async () => {
    tier = await fakeWebTier();
    const pages = await collect(replayCoverage(options(tier.url)));
    expect(new Set(pages.map(({ state }) => state)).size).toBe(27);
    expect(pages.every(({ status }) => status === 200)).toBe(true);
  });

  it("coverage says which page lacks the way on", async () => {
    tier = await fakeWebTier((_path, response) => response.end("<p>nothing here</p>"));
    await expect(collect(replayCoverage(options(tier.url)))).rejects.toThrow(
      "coverage: no way to ViewItem from the page before it",
    );
  });
});
