/** Native peers: plain sockets of the test's own process. */
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { onTestFinished } from "vitest";

export interface PeerServer {
  server: Server;
  port: number;
  sockets: Set<Socket>;
}

/** Listens on 127.0.0.1 until the test is over. */
export function listenPeer(
  onConnection: (socket: Socket) => void,
  host = "127.0.0.1",
): Promise<PeerServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    onConnection(socket);
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, host, () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      resolve({ server, port, sockets });
    });
  });
}

/** Connects; rejects with the error of connect(2). */
export function connectPeer(port: number, host = "127.0.0.1"): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ port, host });
    onTestFinished(() => void socket.destroy());
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      socket.on("error", () => {});
      resolve(socket);
    });
  });
}

/** How a connection ended: the code of its error, or "end". */
export function endOf(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.once("close", () => resolve("end"));
  });
}

/** Sends bytes and collects as many from an echo. */
export function echoed(socket: Socket, bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let length = 0;
    const onData = (part: Buffer): void => {
      parts.push(part);
      length += part.length;
      if (length < bytes.length) return;
      socket.off("data", onData);
      resolve(Buffer.concat(parts));
    };
    socket.on("data", onData);
    socket.once("error", reject);
    socket.once("close", () => reject(new Error(`closed after ${length} of ${bytes.length}`)));
    socket.write(bytes);
  });
}
