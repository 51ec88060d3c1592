/** The node agent's HTTP: probes of the kubelet, metrics, and what the controller reads. */
import Fastify, { type FastifyInstance } from "fastify";
import { nodeMetrics } from "./node-metrics.ts";
import type { ContainerStatus } from "./node-status.ts";
import type { UntouchedContainer } from "./pod-registry.ts";

export interface NodeHttpOptions {
  version: string;
  /** Sentences that say why the agent cannot serve pods; none = ready. */
  troubles(): string[];
  guests(): Promise<ContainerStatus[]>;
  untouched(): UntouchedContainer[];
}

/** Builds it; it does not listen yet. */
export function nodeHttp({
  version,
  troubles,
  guests,
  untouched,
}: NodeHttpOptions): FastifyInstance {
  const app = Fastify();
  app.get("/healthz", () => ({ ok: true, version }));
  app.get("/readyz", (_request, reply) => {
    const found = troubles();
    return reply
      .code(found.length === 0 ? 200 : 503)
      .send({ ok: found.length === 0, troubles: found });
  });
  const { registry, show } = nodeMetrics({
    version,
    ready: () => troubles().length === 0,
    untouched: () => untouched().length,
  });
  app.get("/metrics", async (_request, reply) => {
    show(await guests());
    return reply.type(registry.contentType).send(await registry.metrics());
  });
  app.get("/guests", () => guests());
  app.get("/untouched", () => untouched());
  return app;
}
