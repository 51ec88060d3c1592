// A chat: every message goes to everyone.
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

const server = createServer((_request, response) => response.end("chat"));
const room = new WebSocketServer({ server });
room.on("connection", (socket) => {
  socket.on("message", (text) => {
    for (const client of room.clients) client.send(String(text));
  });
});
server.listen(8080);
process.on("SIGTERM", () => process.exit(0));
