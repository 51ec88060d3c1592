/** A memory cgroup of a test's own (needs root; version 1 or 2). */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { until } from "./wait.ts";

const ROOT = "/sys/fs/cgroup";
const KINDS = [
  {
    directory: join(ROOT, "memory"),
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
  },
  { directory: ROOT, limit: "memory.max", usage: "memory.current" },
];
let made = 0;

export class MemoryCgroup {
  private readonly directory: string;
  private readonly files: { limit: string; usage: string };

  /** @throws where no memory cgroup can be made */
  constructor() {
    const errors: unknown[] = [];
    for (const { directory, ...files } of KINDS) {
      const path = join(directory, `outsock-e2e-${process.pid}-${made++}`);
      try {
        mkdirSync(path);
      } catch (error) {
        errors.push(error);
        continue;
      }
      try {
        readFileSync(join(path, files.limit));
        this.directory = path;
        this.files = files;
        return;
      } catch (error) {
        rmdirSync(path);
        errors.push(error);
      }
    }
    throw new AggregateError(errors, "no memory cgroup");
  }

  /** Words before a command that run it in the cgroup. */
  get prefix(): string[] {
    return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', join(this.directory, "cgroup.procs")];
  }

  /** Leaves its processes so many bytes more than they use. */
  leave(bytes: number): void {
    const used = Number(readFileSync(join(this.directory, this.files.usage), "utf8"));
    writeFileSync(join(this.directory, this.files.limit), String(used + bytes));
  }

  unlimit(): void {
    writeFileSync(join(this.directory, this.files.limit), String(2 ** 40));
  }

  /** Once its processes have ended. */
  async remove(): Promise<void> {
    await until("the cgroup is empty", () => {
      try {
        rmdirSync(this.directory);
        return true;
      } catch {
        return false;
      }
    });
  }
}

/** Why no memory cgroup can be made; undefined when it can. */
export function whyNoMemoryCgroup(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root";
  try {
    const cgroup = new MemoryCgroup();
    void cgroup.remove();
    return undefined;
  } catch {
    return "this host lets no memory cgroup be made";
  }
}

/** Removed after the test; what runs in it must be closed by then, so make it before a sandbox. */
export function memoryCgroup(): MemoryCgroup {
  const cgroup = new MemoryCgroup();
  onTestFinished(() => cgroup.remove());
  return cgroup;
}
