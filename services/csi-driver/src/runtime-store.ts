/**
 * The guest runtime on the node: a copy of it for each version, that all pods of the node share
 * read-only. Pods keep the one that they started with; a version goes when no pod has it any more.
 */
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
} from "node:fs";
import { join, relative } from "node:path";

/** Names, modes and bytes of all files of a folder. */
function digestOf(folder: string): string {
  const hash = createHash("sha256");
  const visit = (path: string): void => {
    for (const name of readdirSync(path).sort()) {
      const at = join(path, name);
      const stat = statSync(at);
      hash.update(`${relative(folder, at)}\0${stat.mode}\0`);
      if (stat.isDirectory()) visit(at);
      else hash.update(readFileSync(at));
    }
  };
  visit(folder);
  return hash.digest("hex").slice(0, 12);
}

export class RuntimeStore {
  private readonly directory: string;
  private readonly source: string;
  private readonly version: string;
  private own: string | undefined;

  /**
   * @param directory holds the versions
   * @param source the runtime that came with this driver
   */
  constructor(directory: string, source: string, version: string) {
    this.directory = directory;
    this.source = source;
    this.version = version;
  }

  /** Copies the runtime to the node, all of it or nothing. @returns where it is. @throws Error */
  install(): string {
    if (!existsSync(join(this.source, "runtime.cjs"))) {
      throw new Error(`there is no guest runtime in ${this.source}`);
    }
    mkdirSync(this.directory, { recursive: true, mode: 0o755 });
    // Images of one version may differ while one works on them.
    const own = join(this.directory, `${this.version}-${digestOf(this.source)}`);
    if (!existsSync(own)) {
      const fresh = join(this.directory, `.new-${process.pid}`);
      rmSync(fresh, { recursive: true, force: true });
      cpSync(this.source, fresh, { recursive: true, dereference: true });
      renameSync(fresh, own);
    }
    this.own = own;
    return own;
  }

  /** The version that new pods get. */
  get current(): string {
    if (this.own === undefined) throw new Error("the runtime is not installed");
    return this.own;
  }

  /**
   * Removes versions that nobody uses, and what a driver left that was killed while it copied.
   * @param mounted places where a version may be mounted
   * @returns names of what was removed
   */
  sweep(mounted: readonly string[]): string[] {
    return this.remove(mounted, this.own);
  }

  /** As the driver goes: its own version too, unless pods have it, and the directory with the last. */
  leave(mounted: readonly string[]): void {
    this.remove(mounted, undefined);
    if (readdirSync(this.directory).length === 0) rmdirSync(this.directory);
  }

  private remove(mounted: readonly string[], kept: string | undefined): string[] {
    const identity = (path: string): string | undefined => {
      const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
      return stat && `${stat.dev}:${stat.ino}`;
    };
    const used = new Set(mounted.map(identity));
    const removed: string[] = [];
    for (const name of readdirSync(this.directory)) {
      const path = join(this.directory, name);
      if (path === kept || name === `.new-${process.pid}` || used.has(identity(path))) continue;
      rmSync(path, { recursive: true, force: true });
      removed.push(name);
    }
    return removed;
  }
}
