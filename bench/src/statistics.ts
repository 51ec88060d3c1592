/** 97.5 % quantiles of Student's t for 1 ... 30 degrees of freedom; beyond, the normal's. */
const T_QUANTILE = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145,
  2.131, 2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048,
  2.045, 2.042,
] as const;

/** Pairs below this number give a ratio without an interval. */
const MIN_PAIRS = 3;

export interface Ratio {
  readonly ratio: number;
  /** 95 % interval; null with too few pairs. */
  readonly low: number | null;
  readonly high: number | null;
}

/** Geometric mean of the ratios of pairs, with Student's t interval on their logarithms. */
export function pairedRatio(pairs: readonly (readonly [baseline: number, other: number])[]): Ratio {
  const logs = pairs.map(([baseline, other]) => Math.log(other / baseline));
  const n = logs.length;
  const center = logs.reduce((sum, log) => sum + log, 0) / n;
  const ratio = Math.exp(center);
  if (n < MIN_PAIRS) return { ratio, low: null, high: null };
  const variance = logs.reduce((sum, log) => sum + (log - center) ** 2, 0) / (n - 1);
  const half = (T_QUANTILE[n - 2] ?? 1.96) * Math.sqrt(variance / n);
  return { ratio, low: Math.exp(center - half), high: Math.exp(center + half) };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
