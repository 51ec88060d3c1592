// Takes uploads at /up (answers with size and SHA-256) and sends SIZE bytes at /down.
const http = require("node:http");
const { createHash } = require("node:crypto");

const SIZE = Number(process.argv[2]);
const BLOCK = Buffer.alloc(1024 * 1024);
for (let i = 0; i < BLOCK.length; i++) BLOCK[i] = (i * 7 + (i >> 8)) & 255;

const server = http.createServer((request, response) => {
  if (request.url === "/up") {
    const hash = createHash("sha256");
    let size = 0;
    request.on("data", (data) => {
      size += data.length;
      hash.update(data);
    });
    request.on("end", () => response.end(`${size} ${hash.digest("hex")}\n`));
    return;
  }
  response.setHeader("content-length", SIZE);
  let left = SIZE;
  const send = () => {
    while (left > 0) {
      const part = left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK;
      left -= part.length;
      if (!response.write(part)) {
        response.once("drain", send);
        return;
      }
    }
    response.end();
  };
  send();
});
server.listen(8080, () => console.log("ready"));
