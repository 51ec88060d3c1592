// Prints what it was started with.
console.log(
  JSON.stringify({
    kind: typeof require === "function" ? "commonjs" : "module",
    main: require.main === module,
    args: process.argv.slice(2),
    script: process.argv[1],
    node: process.execPath,
    execArgv: process.execArgv,
    cwd: process.cwd(),
    stackTraceLimit: Error.stackTraceLimit,
    hello: process.env.HELLO,
    pid: process.pid,
  }),
);
