// Much output at once arrives whole, also before process.exit from a callback of write.
const line = `${"0123456789".repeat(10)}\n`;
for (let i = 0; i < 2000; i++) process.stdout.write(line);
console.error("on standard error");
console.log("%s %d %j", "formatted", 5, { a: 1 });
process.stdout.write("last\n", () => process.exit(0));
