#!/usr/bin/env node
// Checked in, so that npm links the command before anything is built.
await import("../dist/main.js").catch((error) => {
  if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
  process.stderr.write("outsock-csi: not built yet: run `npm run build` first\n");
  process.exit(1);
});
