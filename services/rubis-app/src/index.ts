export { buildApp } from "./app.ts";
export { type Clock, createClock } from "./clock.ts";
export { type Database, openDatabase } from "./database.ts";
