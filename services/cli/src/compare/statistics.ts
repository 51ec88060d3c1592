import { mean, median, sampleStandardDeviation } from "simple-statistics";

/** 97.5 % quantiles of Student's t for 1 ... 30 degrees of freedom; beyond, the normal's. */
const T_QUANTILE = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145,
  2.131, 2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048,
  2.045, 2.042,
] as const;

/** Pairs below this number give a ratio without an interval. */
export const MIN_PAIRS = 3;

export interface Ratio {
  /** Geometric mean of the ratios of the pairs. */
  readonly ratio: number;
  /** 95 % interval; absent with fewer than MIN_PAIRS pairs. */
  readonly interval?: { readonly low: number; readonly high: number };
  readonly pairs: number;
}

/**
 * Ratio of two modes from the repeats in which both ran: mean of the paired log ratios, with
 * Student's t interval on them. A pair ran minutes apart on the same machine, so what disturbs
 * both cancels, and a ratio of 2 weighs as much as one of 1/2.
 */
export function pairedRatio(pairs: readonly (readonly [number, number])[]): Ratio | undefined {
  const logs = pairs
    .filter(([baseline, other]) => baseline > 0 && other > 0)
    .map(([baseline, other]) => Math.log(other / baseline));
  if (logs.length === 0) return undefined;
  const center = mean(logs);
  if (logs.length < MIN_PAIRS) return { ratio: Math.exp(center), pairs: logs.length };
  const quantile = T_QUANTILE[logs.length - 2] ?? 1.96;
  const half = (quantile * sampleStandardDeviation(logs)) / Math.sqrt(logs.length);
  return {
    ratio: Math.exp(center),
    interval: { low: Math.exp(center - half), high: Math.exp(center + half) },
    pairs: logs.length,
  };
}

export function medianOf(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : median([...values]);
}
