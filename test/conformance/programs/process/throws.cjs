// An error that nobody catches: code 1 and the error on standard error.
console.log("before");
process.on("exit", (code) => console.log("exit", code));
throw Object.assign(new RangeError("nobody catches this"), { code: "E_MINE", extra: { a: 1 } });
