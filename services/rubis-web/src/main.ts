import type { AddressInfo } from "node:net";
import { buildWeb } from "./app.ts";
import { connectApplication } from "./application.ts";
import { readConfig } from "./config.ts";

function fail(e: unknown): never {
  const error = e as NodeJS.ErrnoException;
  const text =
    error.code === "EADDRINUSE" ? `The address is in use: ${error.message}.` : error.message;
  console.error(`rubis-web: ${text}`);
  process.exit(1);
}

async function start(): Promise<void> {
  const config = readConfig(process.env);
  const application = connectApplication(config.appUrl);
  const app = await buildWeb(application);
  let stopping = false;
  // Clients leave a server that goes after their next answer, rather than meet a closed connection.
  app.addHook("onSend", async (_request, reply) => {
    if (stopping) reply.header("connection", "close");
  });
  const stop = () => {
    if (stopping) return;
    stopping = true;
    // A client that does not read its answer must not hold up the end.
    setTimeout(() => process.exit(0), config.drainMs + 5_000).unref();
    setTimeout(() => {
      app.close().then(() => {
        application.close();
        process.exit(0);
      }, fail);
    }, config.drainMs);
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  await app.listen({ host: config.host, port: config.port });
  const { address, port } = app.server.address() as AddressInfo;
  console.log(`rubis-web listening on ${address}:${port}`);
}

start().catch(fail);
