// http2: refused connections, reset streams, destroyed sessions, GOAWAY, ping, settings.
const http2 = require("node:http2");
const net = require("node:net");
const { collect, listen, once, track, watch } = require("../../observe.cjs");

(async () => {
  const free = net.createServer();
  const gone = await listen(free, "free", "127.0.0.1");
  free.close();
  await once(free, "close");
  {
    const log = track("1 refused");
    const client = http2.connect(`http://127.0.0.1:${gone}`);
    watch(log, client, ["connect", "error", "close"]);
    const stream = client.request({ ":path": "/" });
    watch(log, stream, ["response"]);
    stream.on("error", (error) => log("stream error", error));
    await once(client, "close");
  }
  const server = http2.createServer();
  server.on("sessionError", () => {});
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    const path = headers[":path"];
    if (path === "/reset") stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    else if (path === "/refuse") stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
    else if (path === "/session") stream.session.destroy();
    else if (path === "/goaway") stream.session.goaway(http2.constants.NGHTTP2_NO_ERROR);
    else {
      stream.respond({ ":status": 200 });
      stream.end("fine");
    }
  });
  const port = await listen(server, "port", "127.0.0.1");
  for (const path of ["/reset", "/refuse", "/session"]) {
    const log = track(`2 ${path}`);
    const client = http2.connect(`http://127.0.0.1:${port}`);
    client.on("error", (error) => log("session error", error.code));
    const stream = client.request({ ":path": path });
    stream.resume();
    watch(log, stream, ["response", "aborted", "error", "end", "close"]);
    await once(stream, "close");
    log("rstCode", stream.rstCode);
    client.close();
    if (!client.destroyed) await once(client, "close");
  }
  {
    const log = track("3 session");
    const client = http2.connect(`http://127.0.0.1:${port}`);
    await once(client, "remoteSettings");
    log(
      "ping",
      await new Promise((resolve) =>
        client.ping(Buffer.from("8 bytes!"), (error, took, payload) =>
          resolve([error, took >= 0, payload]),
        ),
      ),
    );
    client.settings({ enablePush: false, maxConcurrentStreams: 5 }, (error) =>
      log("settings", error),
    );
    await once(client, "localSettings");
    log("local", client.localSettings.maxConcurrentStreams, client.state.remoteWindowSize > 0);
    const stream = client.request({ ":path": "/fine" });
    log("answer", await collect(stream));
    const aborting = new AbortController();
    const aborted = client.request({ ":path": "/hang" }, { signal: aborting.signal });
    aborting.abort();
    log("aborted", (await once(aborted, "error"))[0]);
    client.destroy();
    await once(client, "close");
    log("destroyed", client.destroyed, client.closed);
    try {
      client.request({ ":path": "/" });
    } catch (error) {
      log("request", error);
    }
  }
  server.close();
})();
