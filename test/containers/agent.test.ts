/** The agent's image by itself. */
import { readFileSync } from "node:fs";
import { GenericContainer, type StartedTestContainer, Wait } from "testcontainers";
import { afterEach, describe, expect, test } from "vitest";
import { whyNoDocker } from "./docker.ts";

const { version } = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
);
const IMAGE = `outsock/agent:${version}`;
const why = whyNoDocker(IMAGE);

/** With what the chart's DaemonSet gives it. */
class NodeAgent extends GenericContainer {
  constructor() {
    super(IMAGE);
    this.hostConfig.PidMode = "host";
    this.withAddedCapabilities("SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "NET_BIND_SERVICE");
    this.withDroppedCapabilities("ALL");
  }
}

describe.skipIf(why)(`the agent's image${why ? ` (skipped: ${why})` : ""}`, () => {
  let container: StartedTestContainer | undefined;
  afterEach(async () => {
    await container?.stop();
    container = undefined;
  });

  const start = (image: GenericContainer) =>
    image
      .withExposedPorts(9110)
      .withWaitStrategy(Wait.forHealthCheck())
      .withStartupTimeout(120_000)
      .start();
  const get = (path: string) =>
    fetch(`http://${container?.getHost()}:${container?.getMappedPort(9110)}${path}`);

  test("with what the chart gives it: healthy, ready, no guests", async () => {
    container = await start(new NodeAgent());
    expect(await (await get("/healthz")).json()).toEqual({ ok: true, version });
    const ready = await get("/readyz");
    expect(await ready.json()).toEqual({ ok: true, troubles: [] });
    expect(await (await get("/guests")).json()).toEqual([]);
  });

  test("without them: healthy, not ready, and says what it lacks", async () => {
    container = await start(new GenericContainer(IMAGE).withDroppedCapabilities("ALL"));
    expect((await get("/healthz")).status).toBe(200);
    const ready = await get("/readyz");
    expect(ready.status).toBe(503);
    const { troubles } = (await ready.json()) as { troubles: string[] };
    expect(troubles.join(" ")).toMatch(/SYS_ADMIN/);
  });

  test("told to stop: it ends by itself, without error", async () => {
    container = await start(new NodeAgent());
    const began = performance.now();
    await container.stop({ timeout: 20_000 });
    container = undefined;
    expect(performance.now() - began).toBeLessThan(15_000);
  });
});
