import Fastify from "fastify";

const app = Fastify();
app.get("/", async () => ({ framework: "fastify", at: app.server.address().port }));
app.post("/sum", async ({ body }) => ({ sum: body.numbers.reduce((a, b) => a + b, 0) }));
await app.listen({ host: "0.0.0.0", port: 8080 });
process.on("SIGTERM", () => app.close().then(() => process.exit(0)));
