// An Agent with keepAlive: sockets are used again; its tables of sockets, free sockets and requests.
const http = require("node:http");
const { collect, listen, once, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  let connections = 0;
  const server = http.createServer((request, response) => {
    request.resume();
    response.end(request.url);
  });
  server.on("connection", () => connections++);
  const port = await listen(server, "port", "127.0.0.1");
  const agent = new http.Agent({ keepAlive: true, maxSockets: 2, maxFreeSockets: 1 });
  const table = (sockets) =>
    Object.fromEntries(Object.entries(sockets).map(([name, list]) => [name, list.length]));
  const tables = (label) =>
    log(
      label,
      table(agent.sockets),
      table(agent.freeSockets),
      table(agent.requests),
      agent.totalSocketCount,
    );
  const get = async (path) => {
    const request = http.get({ port, host: "127.0.0.1", path, agent });
    const [response] = await once(request, "response");
    return [(await collect(response)).toString(), request.reusedSocket, request];
  };
  for (let i = 0; i < 3; i++) {
    const [text, reused] = await get(`/${i}`);
    log("one by one", text, reused, connections);
    await new Promise(setImmediate);
    tables("after");
  }
  const many = Promise.all(Array.from({ length: 6 }, (_, i) => get(`/many${i}`)));
  await new Promise(setImmediate);
  tables("during");
  log(
    "at once",
    (await many).map(([text]) => text),
    connections,
  );
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  tables("after");
  const name = agent.getName({ host: "127.0.0.1", port });
  log("name", name, agent.keepAlive, agent.maxSockets, agent.protocol);
  const [free] = agent.freeSockets[name];
  log("free socket", free.readyState, free.destroyed);
  agent.destroy();
  await once(free, "close");
  tables("destroyed");
  server.close();
})();
