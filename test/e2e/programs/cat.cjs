// Copies standard input to standard output and says on standard error how much it was.
let bytes = 0;
process.stdin.on("data", (data) => {
  bytes += data.length;
});
process.stdin.pipe(process.stdout);
process.stdin.on("end", () => process.stderr.write(`${bytes} bytes\n`));
