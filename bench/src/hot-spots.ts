/** What CPU profiles say: the functions in which most time went, and flame graphs. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { flameOf, flamePage } from "./flame-graph.ts";
import { IDLE, type Profile, placeOf } from "./profile.ts";

const SHOWN = 15;

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

function profilesOf(directory: string): { readonly name: string; readonly profile: Profile }[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith(".cpuprofile"))
    .sort()
    .map((name) => ({
      name,
      profile: JSON.parse(readFileSync(join(directory, name), "utf8")) as Profile,
    }));
}

/** Text about every profile of a directory. */
export function describeProfiles(directory: string): string {
  return profilesOf(directory)
    .map(({ name, profile }) => {
      const lines = hotSpots(profile).map(
        ({ place, share }) => `  ${(share * 100).toFixed(1).padStart(5)} %  ${place}\n`,
      );
      return `${name}\n${lines.join("")}`;
    })
    .join("\n");
}

/** Writes a page of flame graphs beside the profiles of each work; gives the pages' paths. */
export function drawProfiles(directory: string, works: readonly string[]): string[] {
  const profiles = profilesOf(directory);
  return works.flatMap((work) => {
    const own = profiles.filter(({ name }) => name.startsWith(`${work}-`));
    if (own.length === 0) return [];
    const graphs = own.map(({ name, profile }) =>
      flameOf(name.slice(work.length + 1, -".cpuprofile".length), profile),
    );
    const file = join(directory, `${work}.html`);
    writeFileSync(file, flamePage(work, graphs));
    return [file];
  });
}
