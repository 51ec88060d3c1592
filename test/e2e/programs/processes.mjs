// Asks the URL in argv from the main thread, a worker thread, a child process and a program that
// a shell starts; prints what each gets, as one JSON.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";

const url = process.argv[2];
const run = promisify(execFile);
const ask = `fetch(${JSON.stringify(url)}).then((r) => r.text())`;

const inWorker = () =>
  new Promise((resolve, reject) => {
    const code = `${ask}.then((t) => require("node:worker_threads").parentPort.postMessage(t))`;
    new Worker(code, { eval: true }).once("message", resolve).once("error", reject);
  });
const inChild = async (command, words) => (await run(command, words)).stdout.trim();
const print = `${ask}.then(console.log)`;

console.log(
  JSON.stringify({
    main: await (await fetch(url)).text(),
    worker: await inWorker(),
    child: await inChild(process.execPath, ["-e", print]),
    shell: await inChild("sh", ["-c", '"$0" -e "$1"', process.execPath, print]),
  }),
);
