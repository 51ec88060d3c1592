import type { Clock } from "../clock.ts";
import type { Database } from "../database.ts";

/** What the routes work with. */
export interface Context {
  database: Database;
  clock: Clock;
}
