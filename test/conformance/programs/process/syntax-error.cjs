// A module that cannot be parsed, and one that is not there.
try {
  require("./_broken.txt");
} catch (error) {
  console.log(error.name, error.message);
}
try {
  require("./no-such-module.cjs");
} catch (error) {
  console.log(error.code, error.message.split("\n")[0].replace(__dirname, "<here>"));
}
const { message } = (() => {
  try {
    return require("no-such-package");
  } catch (error) {
    return error;
  }
})();
console.log(message.split("\n")[0]);
