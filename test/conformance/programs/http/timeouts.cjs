// Timeouts of servers and requests: server.timeout, response.setTimeout, keepAliveTimeout, headersTimeout.
const http = require("node:http");
const net = require("node:net");
const { collect, listen, once, track } = require("../../observe.cjs");

(async () => {
  {
    const log = track("1 server.setTimeout");
    const server = http.createServer(() => log("request"));
    log("returns itself", server.setTimeout(400) === server, server.timeout);
    server.on("timeout", (socket) => {
      log("timeout", socket instanceof net.Socket);
      socket.destroy();
    });
    const port = await listen(server, "port", "127.0.0.1");
    const request = http.get({ port, host: "127.0.0.1", agent: false });
    log("error", (await once(request, "error"))[0]);
    server.close();
  }
  {
    const log = track("2 request.setTimeout");
    const server = http.createServer((_request, response) =>
      setTimeout(() => response.end("late"), 120),
    );
    const port = await listen(server, "port", "127.0.0.1");
    const request = http.get({ port, host: "127.0.0.1", agent: false, timeout: 30 });
    request.on("timeout", () => log("timeout"));
    const [response] = await once(request, "response");
    log("answer", await collect(response));
    server.close();
  }
  {
    const log = track("3 keepAliveTimeout");
    const server = http.createServer((_request, response) => response.end("x"));
    server.keepAliveTimeout = 30;
    const port = await listen(server, "port", "127.0.0.1");
    const socket = net.connect(port, "127.0.0.1");
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    socket.resume();
    await once(socket, "end");
    log("ended by the server");
    server.close();
  }
  {
    const log = track("4 headersTimeout");
    const server = http.createServer({ headersTimeout: 50, connectionsCheckingInterval: 20 }, () =>
      log("never"),
    );
    const port = await listen(server, "port", "127.0.0.1");
    const socket = net.connect(port, "127.0.0.1");
    socket.write("GET / HTTP/1.1\r\n");
    log("answer", await collect(socket));
    server.close();
  }
  {
    const log = track("5 off");
    const server = http.createServer(
      { requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 0 },
      (_request, response) => response.end("x"),
    );
    log(
      "values",
      server.requestTimeout,
      server.headersTimeout,
      server.keepAliveTimeout,
      server.timeout,
    );
    const port = await listen(server, "port", "127.0.0.1");
    const [response] = await once(http.get({ port, host: "127.0.0.1", agent: false }), "response");
    log("answer", await collect(response));
    server.close();
  }
})();
