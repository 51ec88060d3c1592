import { systemClock } from "./clock.ts";
import { ConfigError, readUninstallConfig } from "./config.ts";
import { loadKubeConfig, RestApi } from "./kube/rest.ts";
import { Uninstaller } from "./uninstall/uninstaller.ts";

/** The chart's pre-delete hook. Exits with 1 when pods still use the driver in the end. */
async function start(): Promise<void> {
  const config = readUninstallConfig(process.argv.slice(2), process.env);
  const api = new RestApi(loadKubeConfig(process.env));
  const say = (line: string) => console.log(line);
  const left = await new Uninstaller({ api, clock: systemClock, config, say }).run();
  api.close();
  if (left.length === 0) return;
  console.error(`outsock-uninstall: after ${config.timeoutMs / 1000} s these pods still use the volume driver:
${left.map((pod) => `  ${pod}`).join("\n")}
Delete them, or let them end, and uninstall again. Without the agents they would hang in Terminating.`);
  process.exitCode = 1;
}

start().catch((error: unknown) => {
  console.error(`outsock-uninstall: ${(error as Error).message}`);
  process.exit(error instanceof ConfigError ? 2 : 1);
});
