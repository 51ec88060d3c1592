// conformance: args one --two=3 -- -x
// Arguments, names, versions, and what a program sees of itself.
const path = require("node:path");
console.log(process.argv.length, process.argv.slice(2), path.basename(process.argv[1]));
console.log(process.argv[0] === process.execPath, path.basename(process.execPath), process.argv0);
console.log(
  require.main === module,
  require.main.filename === __filename,
  module.parent,
  module.id,
);
console.log(path.basename(__filename), path.basename(__dirname), path.basename(process.cwd()));
console.log(process.execArgv, process.title.length > 0, typeof process.send, process.connected);
console.log(process.version === `v${process.versions.node}`, process.platform, process.arch);
console.log(process.pid > 0, process.ppid > 0, process.uptime() < 30);
console.log(module.paths.length > 0, module.children.length);
