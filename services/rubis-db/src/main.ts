import { accessSync, constants, existsSync, mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildServer } from "./app.ts";
import { type Config, ConfigError, readConfig } from "./config.ts";
import { Engine } from "./engine/engine.ts";
import { ResultCache } from "./engine/result-cache.ts";
import { provideDataSet } from "./loader/cache.ts";

/** Gives the file to serve, made if need be. */
function prepareFile(config: Config): string {
  if (config.file !== null && existsSync(config.file)) {
    accessSync(config.file, constants.R_OK | constants.W_OK);
    return config.file;
  }
  const { scale, seed, cache, now } = config;
  let file = config.file ?? "";
  provideDataSet({ directory: cache, scale, seed, reference: now }, () => {
    file ||= join(temporaryDirectory(), "rubis.sqlite");
    return file;
  });
  return file;
}

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "rubis-db-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Opens the database and reads from it: a file that is none shows itself here. */
function openEngine(file: string, { now, keepResultsMs }: Config): Engine {
  const results =
    keepResultsMs > 0 ? new ResultCache(keepResultsMs, () => performance.now()) : null;
  try {
    const engine = new Engine(file, () => now ?? Date.now(), results);
    engine.plan("SELECT id FROM items", []);
    return engine;
  } catch (e) {
    throw new ConfigError(`${file} is not a RUBiS database: ${(e as Error).message}.`);
  }
}

function start(): void {
  const config = readConfig(process.env);
  const file = prepareFile(config);
  const engine = openEngine(file, config);
  const { server, close } = buildServer(engine);
  server.on("error", fail);
  server.listen(config.port, config.host, () => {
    const { address, port } = server.address() as AddressInfo;
    console.log(`rubis-db listening on ${address}:${port}`);
  });
  let stopping = false;
  const stop = () => {
    if (stopping) return;
    stopping = true;
    close().then(() => {
      engine.close();
      process.exit(0);
    }, fail);
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}

function fail(e: unknown): never {
  const error = e as NodeJS.ErrnoException;
  const text =
    error.code === "EADDRINUSE" ? `The address is in use: ${error.message}.` : error.message;
  console.error(`rubis-db: ${text}`);
  process.exit(1);
}

try {
  start();
} catch (e) {
  fail(e);
}
