/**
 * The client emulator without I/O: no clock, no random number, no network, and nothing of Node, so
 * that a k6 script can be bundled from it.
 */
export * from "./coverage.ts";
export * from "./forms.ts";
export * from "./page.ts";
export * from "./random.ts";
export * from "./requests.ts";
export * from "./session.ts";
export * from "./states.ts";
export * from "./think.ts";
export * from "./transitions.ts";
export * from "./walk.ts";
