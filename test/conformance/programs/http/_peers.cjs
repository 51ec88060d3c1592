// Parts of the http programs: one request by node:http, one by a raw socket.
const http = require("node:http");
const net = require("node:net");
const { collect } = require("../../observe.cjs");

/** Sends a request; resolves to what came back. */
exports.ask = (options, body, client = http) =>
  new Promise((resolve, reject) => {
    const request = client.request(
      { host: "127.0.0.1", agent: false, ...options },
      async (response) => {
        const bytes = await collect(response);
        resolve({
          status: response.statusCode,
          text: bytes.length < 300 ? bytes.toString() : `${bytes.length} bytes`,
          bytes,
          headers: response.headers,
          response,
        });
      },
    );
    request.on("error", reject);
    if (body?.pipe) body.pipe(request);
    else request.end(body);
  });

/** Writes text to a port; resolves to all that comes until the end. */
exports.raw = async (port, text) => {
  const socket = net.connect(port, "127.0.0.1");
  socket.write(text);
  const bytes = await collect(socket);
  return bytes.toString().replace(/^Date: .*\r\n/gm, "Date: <date>\r\n");
};
