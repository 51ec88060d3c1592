import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { startGenerator } from "../src/compare/generator.ts";
import { LocalLauncher, missingProgram } from "../src/compare/launcher.ts";
import { compareOptions } from "../src/compare/options.ts";
import { ProcessSet } from "../src/compare/processes.ts";
import { profileTable, profileTiers } from "../src/compare/profile/index.ts";
import { type CpuProfile, sharesOf } from "../src/compare/profile/shares.ts";
import { LineProgress } from "../src/compare/progress.ts";

afterEach(() => vi.unstubAllEnvs());

/** A chain of calls below the root, one sample of 1 ms in the last of each. */
function profileOf(...chains: readonly (readonly [name: string, url: string])[][]): CpuProfile {
  const nodes: {
    id: number;
    children: number[];
    callFrame: CpuProfile["nodes"][0]["callFrame"];
  }[] = [{ id: 0, children: [], callFrame: { functionName: "(root)", url: "" } }];
  const samples = chains.map((chain) => {
    let parent = nodes[0]!;
    for (const [functionName, url] of chain) {
      const node = { id: nodes.length, children: [], callFrame: { functionName, url } };
      nodes.push(node);
      parent.children.push(node.id);
      parent = node;
    }
    return parent.id;
  });
  return { startTime: 0, nodes, samples, timeDeltas: samples.map(() => 1000) };
}

const NET = "node:internal/stream_base_commons";
const APP = "file:///services/rubis-web/dist/application.js";

describe("sharesOf", () => {
  const shareOf = (...chain: readonly (readonly [string, string])[]) =>
    Object.entries(sharesOf(profileOf([...chain]), 0, 1e9).shares).find(
      ([, share]) => share === 1,
    )?.[0];

  it.each<[string, (readonly [string, string])[]]>([
    ["sockets", [["(program)", ""]]],
    [
      "sockets",
      [
        ["send", APP],
        ["writevGeneric", NET],
        ["writev", ""],
      ],
    ],
    [
      "HTTP",
      [
        ["socketOnData", "node:_http_client"],
        ["execute", ""],
      ],
    ],
    ["database", [["iterate", "file:///node_modules/libsql/index.js"]]],
    ["database", [["plan", "file:///services/rubis-db/dist/engine/plan.js"]]],
    ["SQL protocol", [["row", "file:///services/rubis-db/dist/wire/backend.js"]]],
    ["SQL protocol", [["addFields", "file:///node_modules/pg/lib/result.js"]]],
    [
      "rendering",
      [
        ["render", "file:///node_modules/eta/dist/index.mjs"],
        ["", ""],
      ],
    ],
    ["JSON", [["parse", APP]]],
    [
      "JSON",
      [
        ["serialize", "file:///node_modules/fastify/lib/reply.js"],
        ["anonymous0", ""],
      ],
    ],
    ["framework", [["onSendEnd", "file:///node_modules/fastify/lib/reply.js"]]],
    ["garbage", [["(garbage collector)", ""]]],
    ["other", [["nextTick", "node:internal/process/task_queues"]]],
    ["other", [["buy", "file:///services/rubis-app/dist/routes/trade.js"]]],
  ])("%s: %j", (category, chain) => {
    expect(shareOf(...chain)).toBe(category);
  });

  it("leaves out idle time, and what was before or after", () => {
    const idle: [string, string][] = [["(idle)", ""]];
    const busy: [string, string][] = [["(program)", ""]];
    const profile = profileOf(busy, idle, busy, busy);
    expect(sharesOf(profile, 1500, 3500)).toMatchObject({ busyMs: 1, shares: { sockets: 1 } });
  });

  it("of a profile without a busy sample are 0", () => {
    expect(sharesOf(profileOf(), 0, 1e9)).toMatchObject({ busyMs: 0, shares: { sockets: 0 } });
  });
});

it.skipIf(missingProgram() !== undefined)(
  "the tiers, profiled natively, have shares that sum to 1 and sockets among them",
  async () => {
    const scratch = mkdtempSync(join(tmpdir(), "outsock-profile-"));
    vi.stubEnv("RUBIS_CACHE", join(scratch, "cache"));
    const processes = new ProcessSet(scratch);
    const profile = join(scratch, "profiles");
    const options = compareOptions({ profile, seconds: "0.5", clients: "4", database: "light" });
    try {
      const tiers = await profileTiers(
        profile,
        {
          launcher: new LocalLauncher(processes, scratch, options, profile),
          startGenerator: () => startGenerator(processes, { ...options, warmUpSeconds: 0.2 }),
        },
        new LineProgress(() => {}),
        new AbortController().signal,
      );
      expect(tiers.map(({ tier }) => tier)).toEqual(["db", "app", "web"]);
      for (const { shares, msAnInteraction, file } of tiers) {
        expect(Object.values(shares).reduce((sum, share) => sum + share, 0)).toBeCloseTo(1);
        expect(shares.sockets).toBeGreaterThan(0);
        expect(msAnInteraction).toBeGreaterThan(0);
        expect(existsSync(file)).toBe(true);
      }
      expect(tiers[0]?.shares.database).toBeGreaterThan(0);
      expect(profileTable(tiers)).toMatch(/sockets .*%/);
    } finally {
      await processes.close();
      rmSync(scratch, { recursive: true, force: true });
    }
  },
);
