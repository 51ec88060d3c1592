// Children that are not node: their output, their codes, their signals.
const { exec, execSync, spawn } = require("node:child_process");
const { once, track } = require("../../observe.cjs");

(async () => {
  const log = track("all");
  log("sync", execSync("echo one; echo two").toString());
  await new Promise((resolve) => exec("exit 3", (error) => resolve(log("exec", error.code))));
  const cat = spawn("cat");
  cat.stdin.end("through cat");
  log("cat", (await once(cat.stdout, "data"))[0]);
  const sleep = spawn("sleep", ["30"]);
  sleep.kill("SIGKILL");
  log("killed", await once(sleep, "exit"));
  log("missing", (await once(spawn("no-such-command"), "error"))[0]);
})();
