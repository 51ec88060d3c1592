import type { Server } from "node:https";
import fastify, { type FastifyInstance } from "fastify";
import type { Logger } from "pino";
import type { Metrics } from "./metrics.ts";
import { answerReview, ReviewInvalid } from "./webhook/review.ts";

/** An AdmissionReview holds one object of at most 1.5 MiB in etcd, twice for an update. */
const BODY_LIMIT = 8 * 1024 * 1024;

export interface Certificate {
  cert: string;
  key: string;
}

/** The webhook, over TLS only. */
export function buildWebhook(certificate: Certificate, metrics: Metrics, log: Logger) {
  const app = fastify({ https: certificate, bodyLimit: BODY_LIMIT, forceCloseConnections: "idle" });
  app.post("/mutate", async (request, reply) => {
    try {
      const { review, outcome } = answerReview(request.body);
      metrics.reviews.inc({ outcome: outcome.outcome });
      if (outcome.outcome !== "untouched") log.debug({ outcome: outcome.outcome }, "pod reviewed");
      return review;
    } catch (error) {
      if (!(error instanceof ReviewInvalid)) throw error;
      metrics.reviews.inc({ outcome: "invalid" });
      return reply.code(400).send({ error: { code: "ReviewInvalid", message: error.message } });
    }
  });
  return app as unknown as FastifyInstance & { server: Server };
}

interface Health {
  /** undefined when this replica can serve, otherwise what is missing. */
  missing: () => string | undefined;
  metrics: Metrics;
}

/** Health and metrics, plain HTTP. */
export function buildHttp({ missing, metrics }: Health): FastifyInstance {
  const app = fastify({ forceCloseConnections: "idle" });
  app.get("/healthz", async () => ({ status: "ok" }));
  app.get("/readyz", async (_request, reply) => {
    const what = missing();
    return what === undefined ? { status: "ok" } : reply.code(503).send({ status: what });
  });
  app.get("/metrics", async (_request, reply) => {
    const { registry } = metrics;
    return reply.type(registry.contentType).send(await registry.metrics());
  });
  return app;
}
