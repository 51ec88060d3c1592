// conformance: stdin closed
// Standard input that is at its end from the beginning.
let bytes = 0;
process.stdin.on("data", (data) => {
  bytes += data.length;
});
process.stdin.on("end", () => console.log("end", bytes));
process.stdin.on("close", () => console.log("close"));
