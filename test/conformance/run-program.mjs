/** Finds the programs, reads what their first lines ask for, runs them in a mode. */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const CLI = join(HERE, "../../services/cli/bin/outsock.js");
export const PROGRAMS = join(HERE, "programs");

/** Kills a program that its own watchdog did not end. */
const WATCHDOG_MS = 30_000;

/** The ways to run a program. The first one is the reference, the others are compared with it. */
export const MODES = [
  { name: "native", command: (program) => [program] },
  { name: "outsourced", command: (program) => [CLI, "run", "--mode", "outsourced", program] },
  {
    // Bytes of a guest's connections to itself go through the host agent.
    name: "relay",
    like: "outsourced",
    areas: /^(net|http)\//,
    command: (program) => [CLI, "run", "--mode", "outsourced", "--no-shortcut", program],
  },
];

/**
 * A program's wishes, from lines `// conformance: <wish>` at its head:
 * - `skip <reason>`: not run at all
 * - `not-in <mode> <reason>`: not run in that mode
 * - `node>=22`: only from that version of Node on
 * - `args <words>`, `stdin <JSON string>`, `stdin closed`, `env NAME=value`, `cwd <folder>`
 * - `signal <name>`: sent as soon as the program has printed a line with the word "ready"
 * - `stderr ignored`: standard error is not compared
 */
export function readWishes(source) {
  const wishes = { args: [], env: {}, notIn: {} };
  for (const [, wish] of source.matchAll(/^\/\/ conformance: (.+)$/gm)) {
    const [word, ...rest] = wish.trim().split(" ");
    const text = rest.join(" ");
    if (word === "skip") wishes.skip = text;
    else if (word === "not-in") wishes.notIn[rest[0]] = rest.slice(1).join(" ");
    else if (word.startsWith("node>=")) wishes.node = Number(word.slice(6));
    else if (word === "args") wishes.args = rest;
    else if (word === "stdin") wishes.stdin = text === "closed" ? null : JSON.parse(text);
    else if (word === "env") wishes.env[text.split("=")[0]] = text.slice(text.indexOf("=") + 1);
    else if (word === "cwd") wishes.cwd = text;
    else if (word === "signal") wishes.signal = text;
    else if (word === "stderr") wishes.stderr = text;
    else throw new Error(`unknown wish "${wish}"`);
  }
  return wishes;
}

/** Programs lie in a folder for each area; names that start with "_" are parts of others. */
export function findPrograms() {
  return readdirSync(PROGRAMS, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith("_"))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort()
    .map((path) => ({
      path,
      name: relative(PROGRAMS, path),
      ...readWishes(readFileSync(path, "utf8")),
    }));
}

/** Whether a program is one of those that are run in a mode. */
export function belongs(program, mode) {
  return mode.areas === undefined || mode.areas.test(program.name);
}

/** Why a program is not run in a mode with a version of Node, if so. */
export function whyNot(program, mode, nodeMajor) {
  if (program.skip !== undefined) return program.skip;
  if (program.node > nodeMajor) return `needs node ${program.node}`;
  return program.notIn[mode.like ?? mode.name];
}

/** Runs a program; resolves to what it printed and how it ended. */
export function runProgram(program, mode, { node = process.execPath, env = process.env } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(node, [...mode.command(program.path), ...program.args], {
      cwd: program.cwd ?? dirname(program.path),
      env: { ...env, ...program.env, NO_COLOR: "1", FORCE_COLOR: undefined },
      argv0: "node",
      stdio: [program.stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
    const watchdog = setTimeout(() => child.kill("SIGKILL"), WATCHDOG_MS);
    let stdout = "";
    let stderr = "";
    let signal = program.signal;
    child.stdout.setEncoding("utf8").on("data", (text) => {
      stdout += text;
      if (signal !== undefined && stdout.includes("ready\n")) {
        child.kill(signal);
        signal = undefined;
      }
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      stderr += text;
    });
    child.stdin?.on("error", () => {}).end(program.stdin ?? "");
    child.on("error", reject);
    child.on("close", (code, killedBy) => {
      clearTimeout(watchdog);
      resolve({
        stdout,
        code,
        signal: killedBy,
        stderr: program.stderr === "ignored" ? "" : normalised(stderr),
      });
    });
  });
}

/** Leaves out of standard error what differs from run to run: process ids, and where Node's own and the guest's files lie. */
function normalised(stderr) {
  return stderr
    .replace(/\(node:\d+\)/g, "(node:<pid>)")
    .split("\n")
    .filter((line) => !/^\s+at /.test(line))
    .map((line) => line.replace(/^(node:[\w/]+|file:\/\/\S*?|\/\S*?):\d+$/, "<place>"))
    .join("\n");
}
