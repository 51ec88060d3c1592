import { closeSync, existsSync, openSync, renameSync, writeSync } from "node:fs";
import { parseArgs } from "node:util";
import { ConfigError, readNow, readScale, readSeed } from "./config.ts";
import { writeDump } from "./loader/dump.ts";
import { removeDatabase, writeSqlite } from "./loader/sqlite-file.ts";

const usage = `Usage: node dist/load.js --out FILE [--format sqlite|sql] [--scale N] [--seed N] [--now TIME] [--force]

  --out FILE    the file to write; with --format sql, - is the standard output
  --format      sqlite (the default), or sql: a script for psql, to load a real PostgreSQL
  --scale N     1 is 1,000 items for sale (default: RUBIS_SCALE or 1)
  --seed N      (default: RUBIS_SEED or 1)
  --now TIME    the moment that the data calls now, in ISO 8601 (default: RUBIS_NOW or the clock)
  --force       replace FILE if it exists`;

function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (e) {
      // A pipe may be non-blocking and full; wait for its reader.
      if ((e as NodeJS.ErrnoException).code !== "EAGAIN") throw e;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

function main(): void {
  const { values } = parseArgs({
    options: {
      out: { type: "string" },
      format: { type: "string", default: "sqlite" },
      scale: { type: "string", default: process.env.RUBIS_SCALE ?? "1" },
      seed: { type: "string", default: process.env.RUBIS_SEED ?? "1" },
      now: { type: "string" },
      force: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    return;
  }
  const now = values.now ?? process.env.RUBIS_NOW;
  const options = {
    scale: readScale(values.scale),
    seed: readSeed(values.seed),
    reference: now ? readNow(now) : Math.floor(Date.now() / 1000) * 1000,
  };
  if (!values.out) throw new ConfigError("Give the file to write with --out.");
  if (values.format !== "sqlite" && values.format !== "sql")
    throw new ConfigError(`--format must be sqlite or sql, not "${values.format}".`);
  if (values.format === "sql" && values.out === "-") {
    writeDump(options, (text) => writeAll(1, text));
    return;
  }
  if (existsSync(values.out) && !values.force)
    throw new ConfigError(`${values.out} exists; --force replaces it.`);
  const temporary = `${values.out}.${process.pid}.tmp`;
  try {
    if (values.format === "sqlite") writeSqlite(temporary, options);
    else {
      const fd = openSync(temporary, "w");
      writeDump(options, (text) => writeAll(fd, text));
      closeSync(fd);
    }
    renameSync(temporary, values.out);
  } catch (e) {
    removeDatabase(temporary);
    throw e;
  }
}

try {
  main();
} catch (e) {
  if ((e as NodeJS.ErrnoException).code === "EPIPE") process.exit(0);
  console.error(`rubis-db load: ${e instanceof Error ? e.message : String(e)}`);
  process.exitCode = 1;
}
