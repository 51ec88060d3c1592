// fastify 5: listen, schemas, hooks, errors, inject, close.
import http from "node:http";
import { createRequire } from "node:module";
import { collect, fault, port as named, once, track } from "../../observe.cjs";

// fastify is installed for a service, not beside the tests.
const { fastify } = createRequire(
  new URL("../../../../services/rubis-app/package.json", import.meta.url),
)("fastify");
const log = track("all");
const app = fastify({ logger: false });
app.addHook("onRequest", async (request) =>
  log("onRequest", request.url, request.ip, request.hostname),
);
app.addHook("onClose", async () => log("onClose"));
app.get(
  "/hello/:name",
  { schema: { response: { 200: { type: "object", properties: { hello: { type: "string" } } } } } },
  async (request) => ({
    hello: request.params.name,
    hidden: true,
  }),
);
app.post(
  "/sum",
  { schema: { body: { type: "object", required: ["a"], properties: { a: { type: "integer" } } } } },
  async (request) => ({ sum: request.body.a + 1 }),
);
app.get("/throws", async () => {
  throw Object.assign(new Error("thrown"), { statusCode: 418 });
});
const address = await app.listen({ port: 0, host: "127.0.0.1" });
const { port } = app.server.address();
named(port, "port");
log("address", address, app.addresses());
const ask = async (method, path, body) => {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const request = http.request({ port, host: "127.0.0.1", method, path, headers, agent: false });
  request.end(body);
  const [response] = await once(request, "response");
  log(`${method} ${path}`, response.statusCode, (await collect(response)).toString());
};
await ask("GET", "/hello/world");
await ask("POST", "/sum", '{"a":1}');
await ask("POST", "/sum", '{"a":"x"}');
await ask("GET", "/throws");
await ask("GET", "/missing");
log("inject", (await app.inject("/hello/injected")).body);
const other = fastify();
await other.listen({ port, host: "127.0.0.1" }).catch((error) => log("in use", fault(error)));
await app.close();
log("closed", app.server.listening);

const local = fastify();
await local.listen({ port: 0 });
log(
  "localhost",
  local.addresses().map(({ address: one, family }) => [one, family]),
);
await local.close();
