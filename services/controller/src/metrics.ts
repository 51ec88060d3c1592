import { Counter, Gauge, Registry } from "prom-client";

/** What the controller counts. */
export class Metrics {
  readonly registry = new Registry();
  readonly reviews = new Counter({
    name: "outsock_webhook_reviews_total",
    help: "Pods that the webhook was asked about, by what became of them",
    labelNames: ["outcome"] as const,
    registers: [this.registry],
  });
  readonly reconciles = new Counter({
    name: "outsock_controller_reconciles_total",
    help: "Objects worked on, by kind and result",
    labelNames: ["kind", "result"] as const,
    registers: [this.registry],
  });

  readonly untouched = new Gauge({
    name: "outsock_controller_untouched_containers",
    help: "Containers of guests' pods whose Node.js runs natively, because it cannot be a guest",
    registers: [this.registry],
  });

  constructor(isLeader: () => boolean, queueDepth: () => Record<string, number>) {
    new Gauge({
      name: "outsock_controller_leader",
      help: "1 on the replica that leads",
      registers: [this.registry],
      collect() {
        this.set(isLeader() ? 1 : 0);
      },
    });
    new Gauge({
      name: "outsock_controller_queue_depth",
      help: "Objects that wait to be worked on",
      labelNames: ["kind"] as const,
      registers: [this.registry],
      collect() {
        for (const [kind, depth] of Object.entries(queueDepth())) this.set({ kind }, depth);
      },
    });
  }
}
