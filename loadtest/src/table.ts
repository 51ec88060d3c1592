import type { LoadSummary } from "./statistics.ts";

const number = (value: number): string => value.toFixed(value < 10 ? 2 : 1);

/** The original emulator's report, with percentiles, as plain text. */
export function formatSummary(summary: LoadSummary): string {
  const header = ["state", "share", "count", "errors", "min", "mean", "p50", "p95", "p99", "max"];
  const row = (
    name: string,
    share: number,
    errors: number,
    l: LoadSummary["latency"],
  ): string[] => [
    name,
    `${(share * 100).toFixed(1)} %`,
    String(l.count),
    String(errors),
    ...[l.minMs, l.meanMs, l.p50Ms, l.p95Ms, l.p99Ms, l.maxMs].map(number),
  ];
  const rows = summary.states.map((s) => row(s.state, s.share, s.errors, s));
  rows.push(row("all", 1, summary.errors, summary.latency));
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join("  ");
  return [
    line(header),
    ...rows.map(line),
    "",
    `${summary.throughput.toFixed(1)} interactions/s over ${summary.seconds.toFixed(1)} s, times in ms`,
    `${summary.sessions} sessions ended, of ${summary.meanSessionSeconds.toFixed(1)} s on average; ` +
      `${summary.sorry} "Sorry" pages; ${(summary.bytes / 1e6).toFixed(1)} MB`,
    ...summary.errorSamples.map((sample) => `error: ${sample}`),
  ].join("\n");
}
