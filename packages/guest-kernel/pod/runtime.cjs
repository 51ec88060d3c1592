// What NODE_OPTIONS of a guest's pod names. Every Node of the pod loads it, of any age, so it is
// written in what old ones understand, and leaves a process alone that cannot be a guest's.
"use strict";

const text = process.env.OUTSOCK_GUEST;

/** Why this process cannot be a guest's; undefined when it can. */
function obstacle() {
  if (parseInt(process.versions.node, 10) < 20) {
    return `Node.js ${process.versions.node} is older than 20`;
  }
  if (process.platform !== "linux" || ["x64", "arm64"].indexOf(process.arch) === -1) {
    return `it runs on ${process.platform} ${process.arch}`;
  }
  return undefined;
}

/** Tells the node's agent, so that an event of the pod says it; nothing waits for that. */
function tell(why) {
  try {
    const config = JSON.parse(text);
    const request = { request: "untouched", container: config.container, reason: why };
    // biome-ignore lint/style/useNodejsImportProtocol: Node before 14.18 does not know that.
    const socket = require("net").connect(config.agent);
    socket.on("error", () => {});
    socket.on("connect", () => socket.end(`${JSON.stringify(request)}\n`));
    socket.unref();
  } catch (error) {
    console.error(`outsock: ${error.message}`);
  }
}

if (text !== undefined) {
  const why = obstacle();
  if (why === undefined) {
    require("./guest.cjs");
  } else {
    tell(why);
    console.error(`outsock: no guest, but an ordinary process: ${why}`);
  }
}
// The program finds its module cache as without us.
delete require.cache[__filename];
