import pino from "pino";
import { buildController } from "./app.ts";
import { systemClock } from "./clock.ts";
import { ConfigError, readControllerConfig } from "./config.ts";
import { loadKubeConfig, RestApi } from "./kube/rest.ts";

async function start(): Promise<void> {
  const config = readControllerConfig(process.argv.slice(2), process.env);
  const log = pino({ name: "controller", level: config.logLevel });
  const api = new RestApi(loadKubeConfig(process.env));
  const onFatal = (err: Error) => {
    log.fatal({ err }, "the webhook cannot be served");
    process.exit(1);
  };
  const controller = buildController({ api, clock: systemClock, log, config, onFatal });
  let stopping = false;
  const stop = () => {
    if (stopping) return;
    stopping = true;
    log.info("stopping");
    // An API server that does not answer must not hold up the end; the Lease then ends by itself.
    setTimeout(() => process.exit(0), 10_000).unref();
    controller.stop().then(
      () => {
        api.close();
        process.exit(0);
      },
      (err) => {
        log.error({ err }, "stopping failed");
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  const { httpPort } = await controller.start();
  log.info({ httpPort }, "health and metrics are served");
}

start().catch((error: unknown) => {
  const { message } = error as Error;
  console.error(`outsock-controller: ${message}`);
  process.exit(error instanceof ConfigError ? 2 : 1);
});
