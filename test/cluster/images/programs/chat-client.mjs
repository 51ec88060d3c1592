// Two who talk in a chat; prints what each has heard.
import { WebSocket } from "ws";

const open = () =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(process.argv[2]);
    socket.once("open", () => resolve(socket)).once("error", reject);
  });
const [ann, bob] = [await open(), await open()];
const heard = { ann: [], bob: [] };
const done = new Promise((resolve) => {
  for (const [name, socket] of Object.entries({ ann, bob })) {
    socket.on("message", (text) => {
      heard[name].push(String(text));
      if (heard.ann.length === 20 && heard.bob.length === 20) resolve();
    });
  }
});
for (let n = 0; n < 10; n++) {
  ann.send(`ann ${n}`);
  bob.send(`bob ${n}`);
}
await done;
ann.close();
bob.close();
console.log(JSON.stringify({ ann: heard.ann.toSorted(), bob: heard.bob.toSorted() }));
