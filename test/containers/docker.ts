/** Whether there is a Docker to test with, and images from Debian's packages. */
import { spawnSync } from "node:child_process";

// Its reaper is an image of Docker Hub; the tests stop their containers themselves.
process.env.TESTCONTAINERS_RYUK_DISABLED = "true";

/** Why there are no containers to test with; undefined: there are. */
export function whyNoDocker(image: string): string | undefined {
  const docker = (...args: string[]) => spawnSync("docker", args, { encoding: "utf8" });
  if (docker("version").status !== 0) return "Docker is missing or does not answer";
  if (docker("image", "inspect", image).status !== 0) {
    return `Docker has no image ${image} (npm run images; npm run test:e2e builds the tests' own)`;
  }
  return undefined;
}
