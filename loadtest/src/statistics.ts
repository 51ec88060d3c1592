import {
  build,
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram,
} from "hdr-histogram-js";
import { STATES, stateName } from "./core/states.ts";

/** Latencies are recorded in microseconds, to three digits, up to a minute. */
const HIGHEST_US = 60_000_000;

export function latencyHistogram(): Histogram {
  return build({
    bitBucketSize: 64,
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_US,
    numberOfSignificantValueDigits: 3,
    useWebAssembly: false,
  });
}

export interface LatencySummary {
  readonly count: number;
  readonly minMs: number;
  readonly meanMs: number;
  readonly maxMs: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

export interface StateSummary extends LatencySummary {
  readonly state: string;
  /** Part of all interactions. */
  readonly share: number;
  readonly errors: number;
  readonly sorry: number;
}

export interface LoadSummary {
  /** Length of the phase that was measured. */
  readonly seconds: number;
  readonly interactions: number;
  readonly errors: number;
  readonly sorry: number;
  readonly throughput: number;
  readonly bytes: number;
  readonly sessions: number;
  readonly meanSessionSeconds: number;
  readonly latency: LatencySummary;
  readonly states: readonly StateSummary[];
  /** Compressed HDR histogram of all answers, in microseconds (see `mergedHistogram`). */
  readonly histogram: string;
  /** First few errors, in words. */
  readonly errorSamples: readonly string[];
}

const ms = (microseconds: number): number => Math.round(microseconds) / 1000;

export function summarize(histogram: Histogram): LatencySummary {
  const empty = histogram.totalCount === 0;
  return {
    count: histogram.totalCount,
    minMs: empty ? 0 : ms(histogram.minNonZeroValue),
    meanMs: empty ? 0 : ms(histogram.mean),
    maxMs: ms(histogram.maxValue),
    p50Ms: ms(histogram.getValueAtPercentile(50)),
    p95Ms: ms(histogram.getValueAtPercentile(95)),
    p99Ms: ms(histogram.getValueAtPercentile(99)),
  };
}

/** Joins the histograms of several runs. */
export function mergedHistogram(encoded: readonly string[]): Histogram {
  const merged = latencyHistogram();
  for (const text of encoded) merged.add(decodeFromCompressedBase64(text, 64, false));
  return merged;
}

interface StateRecord {
  readonly histogram: Histogram;
  errors: number;
  sorry: number;
}

const MAX_SAMPLES = 5;

/** What is counted of one phase. */
export class LoadStatistics {
  readonly #states: StateRecord[] = STATES.map(() => ({
    histogram: latencyHistogram(),
    errors: 0,
    sorry: 0,
  }));
  readonly #errorSamples: string[] = [];
  #bytes = 0;
  #sessions = 0;
  #sessionSeconds = 0;

  /** An answer that came; the time of failed requests isn't part of the latencies. */
  answered(state: number, elapsedMs: number, bytes: number, sorry: boolean): void {
    const record = this.#record(state);
    record.histogram.recordValue(Math.min(HIGHEST_US, Math.max(1, Math.round(elapsedMs * 1000))));
    if (sorry) record.sorry += 1;
    this.#bytes += bytes;
  }

  failed(state: number, why: string): void {
    this.#record(state).errors += 1;
    if (this.#errorSamples.length < MAX_SAMPLES) {
      this.#errorSamples.push(`${stateName(state)}: ${why}`);
    }
  }

  sessionEnded(seconds: number): void {
    this.#sessions += 1;
    this.#sessionSeconds += seconds;
  }

  summary(seconds: number): LoadSummary {
    const all = latencyHistogram();
    let errors = 0;
    let sorry = 0;
    for (const record of this.#states) {
      all.add(record.histogram);
      errors += record.errors;
      sorry += record.sorry;
    }
    const interactions = all.totalCount;
    return {
      seconds,
      interactions,
      errors,
      sorry,
      throughput: seconds > 0 ? interactions / seconds : 0,
      bytes: this.#bytes,
      sessions: this.#sessions,
      meanSessionSeconds: this.#sessions > 0 ? this.#sessionSeconds / this.#sessions : 0,
      latency: summarize(all),
      states: this.#states.flatMap((record, state) =>
        record.histogram.totalCount + record.errors === 0
          ? []
          : [
              {
                state: stateName(state),
                share: record.histogram.totalCount / Math.max(1, interactions),
                errors: record.errors,
                sorry: record.sorry,
                ...summarize(record.histogram),
              },
            ],
      ),
      histogram: encodeIntoCompressedBase64(all),
      errorSamples: [...this.#errorSamples],
    };
  }

  #record(state: number): StateRecord {
    const record = this.#states[state];
    if (record === undefined) throw new RangeError(`no such state: ${state}`);
    return record;
  }
}
