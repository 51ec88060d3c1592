/** A value that the operator gave and that cannot be used: one sentence, exit code 1. */
class ConfigError extends Error {
  override readonly name = "ConfigError";
}

export interface Config {
  host: string;
  port: number;
  databaseUrl: string;
  pool: number;
  /** How long it serves on once it is told to stop. */
  drainMs: number;
  /** The fixed clock in milliseconds; null: the clock runs. */
  now: number | null;
}

export type Environment = Readonly<Record<string, string | undefined>>;

function whole(
  env: Environment,
  name: string,
  fallback: number,
  low: number,
  high: number,
): number {
  const text = env[name]?.trim();
  if (!text) return fallback;
  const n = Number(text);
  if (!/^\d+$/.test(text) || n < low || n > high)
    throw new ConfigError(`${name} must be a whole number from ${low} to ${high}, not "${text}".`);
  return n;
}

function readNow(env: Environment): number | null {
  const text = env.RUBIS_NOW?.trim();
  if (!text) return null;
  const iso = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/i;
  // Without a zone it is UTC, wherever this runs.
  const zoned = /(Z|[+-]\d\d:?\d\d)$/i.test(text) || text.length === 10 ? text : `${text}Z`;
  const ms = iso.test(text) ? Date.parse(zoned) : Number.NaN;
  if (Number.isNaN(ms))
    throw new ConfigError(
      `RUBIS_NOW must be a time in ISO 8601 such as 2025-01-31T12:00:00Z, not "${text}".`,
    );
  return ms;
}

function readDatabaseUrl(env: Environment): string {
  const text = env.DATABASE_URL?.trim() || "postgres://rubis:rubis@127.0.0.1:5432/rubis";
  // The value may hold a password, so it is not repeated.
  if (!URL.canParse(text) || !/^postgres(ql)?:$/.test(new URL(text).protocol))
    throw new ConfigError("DATABASE_URL must be like postgres://user:password@host:5432/database.");
  return text;
}

export function readConfig(env: Environment): Config {
  return {
    host: env.HOST?.trim() || "127.0.0.1",
    port: whole(env, "PORT", 8081, 0, 65535),
    databaseUrl: readDatabaseUrl(env),
    pool: whole(env, "RUBIS_DB_POOL", 16, 1, 1000),
    drainMs: whole(env, "RUBIS_DRAIN_MS", 0, 0, 60_000),
    now: readNow(env),
  };
}
