/** A guest booted over the host's own sockets, as the bench boots one. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const RUNTIME = fileURLToPath(new URL("../dist/runtime.cjs", import.meta.url));

async function guest(program: string, config: object = {}): Promise<string> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--require", RUNTIME, "--eval", program],
    {
      env: {
        ...process.env,
        OUTSOCK_GUEST: JSON.stringify({ agent: "", family: "passthrough", ...config }),
      },
    },
  );
  return stdout;
}

test("an HTTP server and its client run over guest sockets, without an agent", async () => {
  const out = await guest(`
    const http = require("node:http");
    const server = http.createServer((request, response) => {
      response.end(request.socket.constructor === require("node:net").Socket ? "guest" : "other");
    });
    server.listen(0, "127.0.0.1", () => {
      http.get({ port: server.address().port, host: "127.0.0.1" }, (response) => {
        response.on("data", (data) => console.log(String(data)));
        response.on("end", () => server.close());
      });
    });
  `);
  expect(out).toBe("guest\n");
});

test("connecting to a path that is not there fails as natively", async () => {
  const program = `
    require("node:net").connect("/nosuch/path").on("error", (error) => {
      const { message, code, errno, syscall, address } = error;
      console.log(JSON.stringify({ message, code, errno, syscall, address }));
    });
  `;
  const { stdout: native } = await promisify(execFile)(process.execPath, ["--eval", program]);
  expect(await guest(program)).toBe(native);
  expect(JSON.parse(native).message).toBe("connect ENOENT /nosuch/path");
});

test("the program ends when its sockets are closed, and the bytes that it wrote arrive", async () => {
  const out = await guest(`
    const net = require("node:net");
    let bytes = 0;
    const server = net.createServer((socket) => {
      socket.on("data", (data) => { bytes += data.length; });
      socket.on("end", () => { socket.end(); server.close(() => console.log(bytes)); });
    });
    server.listen(0, () => net.connect(server.address().port).end(Buffer.alloc(5_000_000)));
  `);
  expect(out).toBe("5000000\n");
});

test("two datagram sockets talk", async () => {
  const out = await guest(`
    const dgram = require("node:dgram");
    const a = dgram.createSocket("udp4"), b = dgram.createSocket("udp4");
    b.on("message", (text, from) => {
      console.log(String(text), from.address, from.port === a.address().port);
      a.close();
      b.close();
    });
    b.bind(0, "127.0.0.1", () => a.send("hello", b.address().port, "127.0.0.1"));
  `);
  expect(out).toBe("hello 127.0.0.1 true\n");
});
