import { expect, test } from "vitest";
import { Person, visitAllStates } from "./person.ts";
import { findGround, startSystem } from "./tiers.ts";

/** All pages of one client on a fresh copy of the data. */
async function run(): Promise<{ path: string; html: string }[]> {
  const system = await startSystem();
  try {
    const person = new Person(system.url);
    await visitAllStates(person, await findGround(system.databaseUrl));
    return person.seen.map(({ path, html }) => ({ path, html }));
  } finally {
    await system.stop();
  }
}

test("two runs with the clock fixed give the same bytes in every state", async () => {
  const [first, second] = await Promise.all([run(), run()]);
  expect(first.length).toBeGreaterThanOrEqual(27);
  expect(second).toEqual(first);
});
