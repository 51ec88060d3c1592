// fetch: methods, headers, bodies, status, text, json, redirects.
import http from "node:http";
import { collect, listen, track } from "../../observe.cjs";

const log = track("all");
const server = http.createServer(async (request, response) => {
  const body = await collect(request);
  if (request.url.startsWith("/redirect")) {
    const left = Number(request.url.split("/")[2]);
    response.writeHead(302, { Location: left > 0 ? `/redirect/${left - 1}` : "/end" });
    response.end();
  } else if (request.url === "/see-other") {
    response.writeHead(303, { Location: "/end" });
    response.end();
  } else if (request.url === "/empty") {
    response.writeHead(204);
    response.end();
  } else if (request.url === "/missing") {
    response.writeHead(404, "Not here");
    response.end("nothing");
  } else {
    response.setHeader("Set-Cookie", ["a=1", "b=2"]);
    response.setHeader("Content-Type", "application/json");
    const { method, url, headers } = request;
    response.end(
      JSON.stringify({
        method,
        url,
        headers: { ...headers, host: "<host>" },
        body: body.toString(),
      }),
    );
  }
});
const port = await listen(server, "port", "127.0.0.1");
const base = `http://127.0.0.1:${port}`;
const show = async (name, ...args) => {
  try {
    const response = await fetch(...args);
    const { status, statusText, ok, redirected, type, url } = response;
    log(
      name,
      { status, statusText, ok, redirected, type, url: url.replace(base, "") },
      response.headers.getSetCookie(),
      await response.text(),
    );
  } catch (error) {
    log(name, error);
  }
};
await show("get", `${base}/path?query=1`, { headers: { "X-Own": "yes" } });
await show("post text", base, { method: "POST", body: "text" });
await show("post params", base, { method: "POST", body: new URLSearchParams({ a: "1", b: "é" }) });
await show("put bytes", base, { method: "PUT", body: new Uint8Array([65, 66]) });
await show("head", base, { method: "HEAD" });
await show("delete", new Request(base, { method: "DELETE" }));
await show("missing", `${base}/missing`);
await show("empty", `${base}/empty`);
await show("redirects", `${base}/redirect/3`);
await show("see other", `${base}/see-other`, { method: "POST", body: "x" });
await show("manual", `${base}/redirect/0`, { redirect: "manual" });
await show("forbidden", `${base}/redirect/0`, { redirect: "error" });
await show("too many", `${base}/redirect/30`);
const form = new FormData();
form.set("field", "value");
const { body } = await (await fetch(base, { method: "POST", body: form })).json();
log("form", body.includes('name="field"'), body.includes("value"));
await show("bad url", "nonsense");
await show("bad protocol", "ftp://127.0.0.1/");
await show("bad port", "http://127.0.0.1:1/");
server.close();
server.closeAllConnections();
