export * from "./errno.ts";
export * from "./layout.ts";
export * from "./modes.ts";
export * from "./socket.ts";
export * from "./version.ts";
export * from "./vrpc.ts";
