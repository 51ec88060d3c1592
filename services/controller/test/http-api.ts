import http from "node:http";
import type { AddressInfo } from "node:net";
import { KubeConfig } from "@kubernetes/client-node";
import { ApiError, type PatchKind, type Query } from "../src/kube/api.ts";
import type { MemoryApi } from "./memory-api.ts";

const PATCHES: Record<string, PatchKind> = {
  "application/apply-patch+yaml": "apply",
  "application/merge-patch+json": "merge",
  "application/json-patch+json": "json",
};

/** A MemoryApi behind HTTP as an API server speaks it, with a token. */
export async function serveApi(memory: MemoryApi) {
  const tokens = new Set<string>();
  const server = http.createServer((request, response) => {
    tokens.add(request.headers.authorization ?? "");
    const url = new URL(request.url ?? "/", "http://localhost");
    const query: Query = Object.fromEntries(url.searchParams);
    const path = decodeURI(url.pathname);
    const answer = async (): Promise<unknown> => {
      let text = "";
      for await (const chunk of request) text += chunk;
      const body: unknown = text === "" ? undefined : JSON.parse(text);
      const type = request.headers["content-type"] ?? "";
      switch (request.method) {
        case "GET":
          return memory.get(path, query);
        case "POST":
          return memory.create(path, body);
        case "PUT":
          return memory.update(path, body);
        case "PATCH":
          return memory.patch(path, PATCHES[type] ?? "merge", body, query);
        default:
          await memory.delete(path, body);
          return { kind: "Status", status: "Success" };
      }
    };
    if (query.watch === "true") {
      const gone = new AbortController();
      response.on("close", () => gone.abort());
      response.writeHead(200, { "content-type": "application/json" });
      response.flushHeaders();
      void memory
        .watch(path, query, (event) => response.write(`${JSON.stringify(event)}\n`), gone.signal)
        .then(() => response.end());
      return;
    }
    answer().then(
      (result) => response.writeHead(200).end(JSON.stringify(result)),
      (error: unknown) => {
        const { status, reason, message } =
          error instanceof ApiError ? error : { status: 500, reason: "", message: String(error) };
        response.writeHead(status).end(JSON.stringify({ kind: "Status", reason, message }));
      },
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [{ name: "c", server: `http://127.0.0.1:${port}`, skipTLSVerify: true }],
    users: [{ name: "u", token: "secret-token" }],
    contexts: [{ name: "x", cluster: "c", user: "u" }],
    currentContext: "x",
  });
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { config, tokens, close };
}
