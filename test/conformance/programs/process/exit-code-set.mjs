// process.exitCode without a call of exit.
process.exitCode = 5;
console.log("before", process.exitCode);
process.on("beforeExit", (code) => console.log("beforeExit", code));
process.on("exit", (code) => console.log("exit", code));
