// createConnection as an option, agents of one's own, http over unix sockets, server.emit("connection").
const http = require("node:http");
const net = require("node:net");
const { Duplex } = require("node:stream");
const { collect, listen, once, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  const server = http.createServer((request, response) =>
    response.end(`host ${request.headers.host.replace(/\d+/, "<port>")}`),
  );
  const port = await listen(server, "port", "127.0.0.1");
  const get = async (options) => {
    const [response] = await once(http.get(options), "response");
    return (await collect(response)).toString();
  };
  log(
    "option",
    await get({
      host: "named.example",
      agent: false,
      createConnection: (options) => {
        log("createConnection", options.host, typeof options.port, options.path);
        return net.connect(port, "127.0.0.1");
      },
    }),
  );
  log(
    "with callback",
    await get({
      host: "later.example",
      createConnection: (_options, callback) => {
        setImmediate(() => callback(null, net.connect(port, "127.0.0.1")));
      },
    }),
  );
  class Mine extends http.Agent {
    createConnection(options, callback) {
      log("agent", options.host);
      return super.createConnection({ ...options, host: "127.0.0.1", port }, callback);
    }
  }
  log("agent", await get({ host: "agent.example", port: 1, agent: new Mine() }));

  // http over two joined streams that are no sockets.
  const pair = () => {
    const end = (peer) =>
      new Duplex({
        read() {},
        write(data, _encoding, done) {
          peer().push(data);
          done();
        },
        final(done) {
          peer().push(null);
          done();
        },
      });
    const one = end(() => two);
    const two = end(() => one);
    return [one, two];
  };
  const [near, far] = pair();
  server.emit("connection", far);
  log("streams", await get({ host: "streams.example", createConnection: () => near }));
  // A net.Server hands its connections over.
  const front = net.createServer((socket) => server.emit("connection", socket));
  const frontPort = await listen(front, "front", "127.0.0.1");
  log("front", await get({ host: "127.0.0.1", port: frontPort, agent: false }));
  front.close();
  server.close();
})();
