/** `outsock compare --profile DIR`: what each tier's processor time goes to, natively. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import Table from "cli-table3";
import { processCpuMs } from "../cpu.ts";
import { profileFile, TIERS, type Tier } from "../launcher.ts";
import type { Progress } from "../progress.ts";
import type { Laboratory } from "../run.ts";
import { CATEGORIES, CATEGORY_MEANINGS, type CpuProfile, type Shares, sharesOf } from "./shares.ts";

export interface TierProfile extends Shares {
  readonly tier: Tier;
  readonly file: string;
  /** Processor time of the process, all its threads, ms an interaction. */
  readonly msAnInteraction: number;
}

const nowUs = (): number => Number(process.hrtime.bigint() / 1000n);

/** One boot, warm-up and run with every tier profiled; the profiles are written as they end. */
export async function profileTiers(
  directory: string,
  { launcher, startGenerator, cpuMs = processCpuMs }: Laboratory,
  progress: Progress,
  signal: AbortSignal,
): Promise<TierProfile[]> {
  const deployment = await launcher.boot("native", signal);
  const clocks = (): Map<Tier, number> =>
    new Map(TIERS.map((tier) => [tier, cpuMs(deployment.pids.get(tier) ?? 0) ?? Number.NaN]));
  let [from, to] = [0, 0];
  let [before, after] = [clocks(), clocks()];
  let interactions = 0;
  try {
    const generator = startGenerator();
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
    try {
      const driven = generator.drive(deployment.url, {
        onPhase: (phase) => {
          if (phase === "run") [from, before] = [nowUs(), clocks()];
          if (phase === "end") [to, after] = [nowUs(), clocks()];
        },
        onProgress: (state) => progress.load(state),
      });
      const { summary } = await Promise.race([driven, deployment.died, aborted]);
      interactions = summary.interactions;
    } finally {
      await generator.stop();
    }
  } finally {
    await deployment.stop();
  }
  if (interactions === 0) throw new Error("no page was answered");
  return TIERS.map((tier) => {
    const file = join(directory, profileFile(tier));
    const profile = JSON.parse(readFileSync(file, "utf8")) as CpuProfile;
    const ms = (after.get(tier) ?? 0) - (before.get(tier) ?? 0);
    return { tier, file, ...sharesOf(profile, from, to), msAnInteraction: ms / interactions };
  });
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

/** Shares of each tier, and of the three together. */
export function profileTable(tiers: readonly TierProfile[]): string {
  const all = tiers.reduce((sum, { msAnInteraction }) => sum + msAnInteraction, 0);
  const together = (part: (tier: TierProfile) => number): number =>
    tiers.reduce((sum, tier) => sum + (part(tier) * tier.msAnInteraction) / all, 0);
  const table = new Table({
    head: ["share of the busy time", ...tiers.map(({ tier }) => tier), "all"],
    colAligns: ["left", ...tiers.map(() => "right" as const), "right"],
    chars: { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" },
    style: { head: [], border: [] },
  });
  const ms = tiers.map(({ msAnInteraction }) => msAnInteraction);
  table.push(["CPU ms an interaction", ...ms.map((value) => value.toFixed(3)), all.toFixed(3)]);
  for (const category of CATEGORIES) {
    table.push([
      category,
      ...tiers.map(({ shares }) => percent(shares[category])),
      percent(together(({ shares }) => shares[category])),
    ]);
  }
  const meanings = CATEGORIES.map((name) => `${name}: ${CATEGORY_MEANINGS[name]}`);
  return [table.toString(), ...meanings].join("\n");
}
