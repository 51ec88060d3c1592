/** A value that the operator gave and that cannot be used: one sentence, exit code 1. */
class ConfigError extends Error {
  override readonly name = "ConfigError";
}

export interface Config {
  host: string;
  port: number;
  appUrl: URL;
  /** How long it serves on once it is told to stop. */
  drainMs: number;
}

export type Environment = Readonly<Record<string, string | undefined>>;

function readPort(env: Environment): number {
  const text = env.PORT?.trim();
  if (!text) return 8080;
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65535)
    throw new ConfigError(`PORT must be a whole number from 0 to 65535, not "${text}".`);
  return port;
}

function readDrain(env: Environment): number {
  const text = env.RUBIS_DRAIN_MS?.trim() || "0";
  if (!/^\d+$/.test(text) || Number(text) > 60_000)
    throw new ConfigError(`RUBIS_DRAIN_MS must be a whole number from 0 to 60000, not "${text}".`);
  return Number(text);
}

function readAppUrl(env: Environment): URL {
  const text = env.APP_URL?.trim() || "http://127.0.0.1:8081";
  if (!URL.canParse(text) || new URL(text).protocol !== "http:")
    throw new ConfigError(`APP_URL must be like http://app:8081, not "${text}".`);
  return new URL(text);
}

export function readConfig(env: Environment): Config {
  return {
    host: env.HOST?.trim() || "127.0.0.1",
    port: readPort(env),
    appUrl: readAppUrl(env),
    drainMs: readDrain(env),
  };
}
