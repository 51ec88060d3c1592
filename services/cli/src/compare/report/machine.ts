import { readFileSync } from "node:fs";
import { arch, cpus, release, totalmem, type } from "node:os";

/** What the numbers were measured on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly outsock: string;
}

export function thisMachine(): Machine {
  const processors = cpus();
  const manifest = new URL("../../../package.json", import.meta.url);
  return {
    cpu: processors[0]?.model.trim() || `unknown (${arch()})`,
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${type()} ${release()}`,
    node: process.version,
    outsock: String(JSON.parse(readFileSync(manifest, "utf8")).version),
  };
}
