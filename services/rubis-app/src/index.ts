export { buildApp } from "./app.ts";
export { createClock, type Clock } from "./clock.ts";
export { openDatabase, type Database } from "./database.ts";
