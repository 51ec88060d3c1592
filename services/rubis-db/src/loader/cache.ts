import { constants, copyFileSync, mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import type { DataSetOptions } from "./dataset.ts";
import {
  loaderVersion,
  moveReference,
  readReference,
  removeDatabase,
  writeSqlite,
} from "./sqlite-file.ts";

export interface CacheOptions extends Omit<DataSetOptions, "reference"> {
  directory: string;
  /** The moment that the data set must call now; null: any of the last hours will do. */
  reference: number | null;
}

/** The shortest auction runs for a day, so that a file this old has lost none of them. */
const freshMs = 12 * 3_600_000;
const abandonedMs = 3_600_000;

/** A killed loader leaves its temporary file; nobody else will ever look at it. */
function removeAbandoned(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (!name.endsWith(".tmp")) continue;
    const file = join(directory, name);
    const stat = statSync(file, { throwIfNoEntry: false });
    if (stat && Date.now() - stat.mtimeMs > abandonedMs) removeDatabase(file);
  }
}

function copy(from: string, to: string): void {
  copyFileSync(from, to, constants.COPYFILE_FICLONE);
}

/**
 * Puts the data set at the target, from the cache if it is there; the target is asked for last, when
 * the long work is done. Each file of the cache is written
 * under a temporary name and renamed, so that a killed loader leaves no half file, and two loaders
 * at once do not disturb each other.
 */
export function provideDataSet(options: CacheOptions, makeTarget: () => string): void {
  const { directory, scale, seed } = options;
  mkdirSync(directory, { recursive: true });
  removeAbandoned(directory);
  const cached = join(directory, `rubis-v${loaderVersion}-scale${scale}-seed${seed}.sqlite`);
  const temporary = `${cached}.${process.pid}.tmp`;
  const found = readReference(cached);
  const now = Math.floor(Date.now() / 1000) * 1000;
  const fresh = found !== null && found <= now && now - found < freshMs;
  const reference = options.reference ?? (fresh ? found : now);
  if (found !== reference) {
    try {
      if (found === null) writeSqlite(temporary, { scale, seed, reference });
      else {
        copy(cached, temporary);
        moveReference(temporary, reference);
      }
      copy(temporary, makeTarget());
      renameSync(temporary, cached);
    } catch (e) {
      removeDatabase(temporary);
      throw e;
    }
    return;
  }
  copy(cached, makeTarget());
}
