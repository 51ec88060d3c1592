/** Names of TCP ports: services(5) of the file system, or the few below. */
import { readFileSync } from "node:fs";

const WELL_KNOWN = "ssh 22\nsmtp 25\ndomain 53\nhttp 80\npop3 110\nimap2 143\nhttps 443\n";

let names: Map<number, string> | undefined;

function parse(text: string): Map<number, string> {
  const table = new Map<number, string>();
  for (const line of text.split("\n")) {
    const match = /^([^\s#]+)\s+(\d+)(?:\/(\w+))?/.exec(line);
    if (match === null || (match[3] ?? "tcp") !== "tcp") continue;
    const port = Number(match[2]);
    if (!table.has(port)) table.set(port, match[1]!);
  }
  return table;
}

function table(): Map<number, string> {
  if (names === undefined) {
    let text = WELL_KNOWN;
    try {
      text = readFileSync("/etc/services", "utf8");
    } catch {
      // An image without the file: the well-known ones.
    }
    names = parse(text);
  }
  return names;
}

/** Name of a port, or its number. */
export function serviceOf(port: number): string {
  return table().get(port) ?? String(port);
}
