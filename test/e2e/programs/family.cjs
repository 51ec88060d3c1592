// The main thread, a worker thread and a forked child talk to each other over TCP.
const net = require("node:net");
const { fork } = require("node:child_process");
const { Worker, isMainThread, parentPort } = require("node:worker_threads");

function fetchLine(port) {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = net.connect(port, "127.0.0.1");
    socket.setEncoding("utf8").on("data", (chunk) => {
      text += chunk;
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(text));
  });
}

function serve(line) {
  return new Promise((resolve) => {
    const server = net.createServer((socket) => socket.end(line));
    server.listen(0, () => resolve({ port: server.address().port, server }));
  });
}

async function member(kind, port, tell) {
  const heard = await fetchLine(port);
  const own = await serve(`from the ${kind}`);
  tell({ kind, heard, port: own.port });
}

async function main() {
  const { port, server } = await serve("from the main thread");
  const worker = new Worker(__filename, { argv: [String(port)] });
  const child = fork(__filename, ["child", String(port)]);
  const replies = await Promise.all(
    [worker, child].map((one) => new Promise((resolve) => one.once("message", resolve))),
  );
  for (const reply of replies) {
    reply.answered = await fetchLine(reply.port);
    delete reply.port;
    console.log(JSON.stringify(reply));
  }
  console.log("ready");
  process.stdin.once("data", async () => {
    await worker.terminate();
    child.kill();
    server.close();
    process.stdin.destroy();
  });
}

if (!isMainThread) {
  member("worker", Number(process.argv[2]), (m) => parentPort.postMessage(m));
} else if (process.argv[2] === "child") {
  member("child", Number(process.argv[3]), (m) => process.send(m));
} else main();
