import { homedir } from "node:os";
import { join } from "node:path";

/** A value that the operator gave and that cannot be used: one sentence, exit code 1. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

export interface Config {
  host: string;
  port: number;
  /** The file to serve; null: a private copy that goes at exit. */
  file: string | null;
  scale: number;
  seed: number;
  cache: string;
  /** The fixed clock in milliseconds; null: the clock runs. */
  now: number | null;
  /** How long results of reads are kept, in milliseconds; 0: not at all. */
  keepResultsMs: number;
}

export type Environment = Readonly<Record<string, string | undefined>>;

function given(env: Environment, name: string): string | null {
  const value = env[name]?.trim();
  return value ? value : null;
}

function readPort(env: Environment, fallback: number): number {
  const text = given(env, "PORT");
  if (text === null) return fallback;
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65535)
    throw new ConfigError(`PORT must be a whole number from 0 to 65535, not "${text}".`);
  return port;
}

export function readScale(text: string): number {
  const scale = Number(text);
  if (!(scale > 0 && scale <= 1000))
    throw new ConfigError(
      `The scale (RUBIS_SCALE) must be above 0 and at most 1000, not "${text}".`,
    );
  return scale;
}

export function readSeed(text: string): number {
  const seed = Number(text);
  if (!/^\d+$/.test(text) || seed > 0xffffffff)
    throw new ConfigError(
      `The seed (RUBIS_SEED) must be a whole number from 0 to 4294967295, not "${text}".`,
    );
  return seed;
}

function readKeepResults(text: string): number {
  const ms = Number(text);
  if (!/^\d+$/.test(text) || ms > 60_000)
    throw new ConfigError(
      `RUBIS_DB_KEEP_RESULTS must be a whole number of milliseconds from 0 to 60000, not "${text}".`,
    );
  return ms;
}

/** ISO 8601, cut to whole seconds: the data base keeps no finer time. */
export function readNow(text: string): number {
  const iso = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/i;
  // Without a zone it is UTC, wherever this runs.
  const zoned = /(Z|[+-]\d\d:?\d\d)$/i.test(text) || text.length === 10 ? text : `${text}Z`;
  const ms = iso.test(text) ? Date.parse(zoned) : Number.NaN;
  if (Number.isNaN(ms))
    throw new ConfigError(
      `RUBIS_NOW must be a time in ISO 8601 such as 2025-01-31T12:00:00Z, not "${text}".`,
    );
  return Math.floor(ms / 1000) * 1000;
}

export function readConfig(env: Environment): Config {
  const now = given(env, "RUBIS_NOW");
  const cacheHome = given(env, "XDG_CACHE_HOME");
  return {
    host: given(env, "HOST") ?? "127.0.0.1",
    port: readPort(env, 5432),
    file: given(env, "RUBIS_DB"),
    scale: readScale(given(env, "RUBIS_SCALE") ?? "1"),
    seed: readSeed(given(env, "RUBIS_SEED") ?? "1"),
    cache:
      given(env, "RUBIS_CACHE") ??
      (cacheHome ? join(cacheHome, "rubis") : join(homedir(), ".cache", "outsock")),
    now: now === null ? null : readNow(now),
    keepResultsMs: readKeepResults(given(env, "RUBIS_DB_KEEP_RESULTS") ?? "0"),
  };
}
