// What is loaded before the program: nothing that it can see.
const path = require("node:path");
console.log(Object.keys(require.cache).map((file) => path.basename(file)));
console.log(module.parent, module.children.length, require.main.children.length);
