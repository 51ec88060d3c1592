// Ends as its argument says: an exit code, "throw", "reject", "handle" or "wait".
const [how] = process.argv.slice(2);
const server = require("node:net").createServer();

if (how === "throw") throw new Error("thrown by the program");
else if (how === "reject") Promise.reject(new Error("rejected by the program"));
else if (how === "handle" || how === "wait") {
  if (how === "handle") {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR2"]) {
      process.on(signal, () => {
        console.log(`got ${signal}`);
        if (signal !== "SIGUSR2") server.close(() => process.exit(7));
      });
    }
  }
  server.listen(8080, () => console.log("ready"));
} else process.exitCode = Number(how);
