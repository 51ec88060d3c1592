// A rejection that nobody handles.
console.log("before");
process.on("exit", (code) => console.log("exit", code));
Promise.reject(new Error("nobody handles this"));
