/** What tests of the shortcut ask the agent. */
import type { Puppet } from "./puppet.ts";
import { guestPuppet } from "./puppet.ts";
import type { Sandbox } from "./sandbox.ts";

/** Connections of a guest so far, by the name of their path. */
export async function pathsOf(box: Sandbox, name: string): Promise<Record<string, number>> {
  const guest = (await box.status())?.guests.find((one) => one.name === name);
  const paths: Record<string, number> = {};
  for (const process of guest?.processes ?? []) {
    for (const [path, n] of Object.entries(process.paths)) paths[path] = (paths[path] ?? 0) + n;
  }
  return paths;
}

/** Two puppets, `one` and `two`, on a new agent. */
export async function twoGuests(
  box: Sandbox,
  options: { one?: readonly string[]; two?: readonly string[] } = {},
): Promise<{ one: Puppet; two: Puppet }> {
  const [one, two] = await Promise.all([
    guestPuppet(box, { options: ["--name", "one", ...(options.one ?? [])] }),
    guestPuppet(box, { options: ["--name", "two", ...(options.two ?? [])] }),
  ]);
  return { one, two };
}
