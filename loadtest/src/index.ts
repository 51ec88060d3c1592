export * from "./core/index.ts";
export * from "./data.ts";
export * from "./driver.ts";
export * from "./remote-driver.ts";
export * from "./replay.ts";
export * from "./statistics.ts";
export * from "./table.ts";
