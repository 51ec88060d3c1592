// Removes what the build made.
import { readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
for (const group of ["packages", "services", "."]) {
  for (const name of readdirSync(join(root, group))) {
    if (group === "." && name !== "loadtest" && name !== "bench") continue;
    rmSync(join(root, group, name, "dist"), { recursive: true, force: true });
  }
}
