/** The functions of CPU profiles (`node --cpu-prof`) in which most time went. */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

const SHOWN = 15;

interface CallFrame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
}

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly children?: readonly number[];
    readonly callFrame: CallFrame;
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Idle time is no work; the share is of the time that is left. */
const IDLE = new Set(["(idle)", "(root)"]);

function placeOf({ functionName, url, lineNumber }: CallFrame): string {
  const file = url === "" ? "" : ` ${basename(url)}:${lineNumber + 1}`;
  return `${functionName === "" ? "(anonymous)" : functionName}${file}`;
}

export function hotSpots(profile: Profile): { readonly place: string; readonly share: number }[] {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const places = new Map<number, string>();
  for (const { id, callFrame, children = [] } of profile.nodes) {
    if (!places.has(id)) places.set(id, placeOf(callFrame));
    for (const child of children) {
      const called = nodes.get(child)?.callFrame;
      // A native function alone says little: system calls through koffi share a name.
      if (called?.url !== "" || called.functionName.startsWith("(")) continue;
      places.set(child, `${placeOf(called)} < ${placeOf(callFrame)}`);
    }
  }
  const times = new Map<string, number>();
  let total = 0;
  for (const [i, id] of profile.samples.entries()) {
    const place = places.get(id) ?? "?";
    if (IDLE.has(place)) continue;
    const time = profile.timeDeltas[i] ?? 0;
    total += time;
    times.set(place, (times.get(place) ?? 0) + time);
  }
  return [...times]
    .sort(([, a], [, b]) => b - a)
    .slice(0, SHOWN)
    .map(([place, time]) => ({ place, share: time / total }));
}

/** Text about every profile of a directory. */
export function describeProfiles(directory: string): string {
  return readdirSync(directory)
    .filter((name) => name.endsWith(".cpuprofile"))
    .sort()
    .map((name) => {
      const profile = JSON.parse(readFileSync(join(directory, name), "utf8")) as Profile;
      const lines = hotSpots(profile).map(
        ({ place, share }) => `  ${(share * 100).toFixed(1).padStart(5)} %  ${place}\n`,
      );
      return `${name}\n${lines.join("")}`;
    })
    .join("\n");
}
