// Tries to make sockets of the host behind Node's back, in the main thread, a worker thread, a
// child process and the threads of libuv; prints what each gets.
const { spawnSync } = require("node:child_process");
const { Worker, isMainThread, parentPort } = require("node:worker_threads");

function load() {
  return require(process.env.KOFFI).load(null);
}

function tries() {
  const koffi = require(process.env.KOFFI);
  const socket = load().func("int socket(int domain, int type, int protocol)");
  const found = {};
  for (const [name, domain, type] of [
    ["inet stream", 2, 1],
    ["inet datagram", 2, 2],
    ["inet raw", 2, 3],
    ["inet6 stream", 10, 1],
    ["inet6 datagram", 10, 2],
    ["packet", 17, 3],
    ["vsock", 40, 1],
    ["unix", 1, 1],
  ]) {
    found[name] = socket(domain, type, 0) >= 0 ? "a socket" : koffi.errno();
  }
  return found;
}

/** In a thread of libuv's pool. */
function inPool() {
  const socket = load().func("int socket(int domain, int type, int protocol)");
  const one = (domain) =>
    new Promise((resolve) => socket.async(domain, 1, 0, (_error, fd) => resolve(fd >= 0)));
  return Promise.all([one(2), one(10)]);
}

async function main() {
  const worker = await new Promise((resolve, reject) => {
    new Worker(__filename).once("message", resolve).once("error", reject);
  });
  const child = spawnSync(process.execPath, [__filename, "child"], { encoding: "utf8" });
  const shell = spawnSync("sh", ["-c", '"$0" "$1" child', process.execPath, __filename], {
    encoding: "utf8",
    env: { PATH: process.env.PATH, KOFFI: process.env.KOFFI },
  });
  const pool = await inPool();
  console.log(
    JSON.stringify({
      main: tries(),
      worker,
      child: JSON.parse(child.stdout),
      withoutOutsock: JSON.parse(shell.stdout),
      pool,
    }),
  );
}

if (!isMainThread) parentPort.postMessage(tries());
else if (process.argv[2] === "child") console.log(JSON.stringify(tries()));
else main();
