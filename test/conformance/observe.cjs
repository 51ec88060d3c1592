/**
 * What a program prints. Lines are kept in tracks, one for each party of a program: within a track
 * the order is what the program saw, between tracks it says nothing (the kernel decides it), so the
 * tracks are printed one after the other, by name, when the process ends. Plain Node, no Outsock.
 */
"use strict";

const fs = require("node:fs");
const { createHash } = require("node:crypto");

/** Longer than any program takes, shorter than the runner's patience: a hung program shows how far it came. */
const PATIENCE_MS = Number(process.env.CONFORMANCE_PATIENCE_MS ?? 15_000);

const tracks = new Map();
const ports = new Map();

/** Writes all of the text to standard output, which may be a full pipe. */
function print(text) {
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(fs.writeSync(1, rest));
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

function flush() {
  const names = [...tracks.keys()].sort();
  print(
    names
      .map((name) =>
        tracks
          .get(name)
          .map((line) => `${name}: ${line}\n`)
          .join(""),
      )
      .join(""),
  );
  tracks.clear();
}

process.on("exit", flush);
setTimeout(() => {
  track("watchdog")("the program hangs", process.getActiveResourcesInfo().sort());
  process.exit(124);
}, PATIENCE_MS).unref();

/** Gives a port a name, which is printed instead of it. */
function port(number, name) {
  if (typeof number === "number" && number > 0) ports.set(String(number), `<${name}>`);
  return number;
}

function hidden(text) {
  return text.replace(/(?<!\d)\d{4,5}(?!\d)/g, (digits) => ports.get(digits) ?? digits);
}

const ERROR_FIELDS = [
  "code",
  "errno",
  "syscall",
  "address",
  "port",
  "localAddress",
  "localPort",
  "hostname",
  "path",
  "reason",
  "library",
];

/** The fields of an error that programs look at. */
function fault(error) {
  if (error === null || error === undefined) return error;
  if (typeof error !== "object") return { thrown: error };
  const seen = { name: error.name, message: error.message };
  for (const field of ERROR_FIELDS) if (error[field] !== undefined) seen[field] = error[field];
  if (Array.isArray(error.errors)) seen.errors = error.errors.map(fault);
  if (error.cause !== undefined) seen.cause = fault(error.cause);
  return seen;
}

function plain(value) {
  if (value === undefined) return "<undefined>";
  if (value instanceof Error) return plain(fault(value));
  if (typeof value === "function") return `<function ${value.name}>`;
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "number") return ports.get(String(value)) ?? value;
  if (typeof value === "string") return hidden(value);
  if (Buffer.isBuffer(value)) return `<${value.length} bytes> ${hidden(value.toString("latin1"))}`;
  if (Array.isArray(value)) return value.map(plain);
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(
      Object.entries(value)
        .sort()
        .map(([key, inner]) => [hidden(key), plain(inner)]),
    );
  }
  return value;
}

/** The function that adds a line to a track. */
function track(name) {
  return (label, ...values) => {
    const shown = values.map((value) => ` ${JSON.stringify(plain(value))}`).join("");
    const lines = tracks.get(name) ?? [];
    lines.push(`${label}${shown}`);
    tracks.set(name, lines);
  };
}

/** Adds a line for each of the events, with what they carry (sockets and buffers only as such). */
function watch(log, emitter, events) {
  for (const event of events) {
    emitter.on(event, (...values) => {
      log(
        event,
        ...values.map((value) => {
          if (value instanceof Error || value === null || typeof value !== "object") return value;
          if (Buffer.isBuffer(value) || Array.isArray(value)) return value;
          return `<${value.constructor?.name}>`;
        }),
      );
    });
  }
  return emitter;
}

const SOCKET_EVENTS = ["lookup", "connect", "ready", "end", "finish", "timeout", "error", "close"];

/** Watches the events of a socket whose number does not depend on how bytes are cut into chunks. */
function watchSocket(log, socket, more = []) {
  return watch(log, socket, [...SOCKET_EVENTS, ...more]);
}

/** What a call gives or throws. */
function attempt(log, label, call) {
  try {
    log(label, call());
  } catch (error) {
    log(`${label} throws`, error);
  }
}

const once = (emitter, event) =>
  new Promise((resolve) => emitter.once(event, (...v) => resolve(v)));

/** All that a stream gives, as one buffer. */
async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

function digest(bytes) {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}

/** Bytes without a short period, the same ones each time. */
function pattern(length, seed = 1) {
  const bytes = Buffer.allocUnsafe(length);
  let state = (seed * 2654435761) >>> 0 || 1;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state & 255;
  }
  return bytes;
}

/** Listens on a free port and gives it the name. */
function listen(server, name = "port", ...where) {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, ...where, () => {
      server.off("error", reject);
      resolve(port(server.address().port, name));
    });
  });
}

module.exports = {
  attempt,
  collect,
  digest,
  fault,
  listen,
  once,
  pattern,
  port,
  SOCKET_EVENTS,
  track,
  watch,
  watchSocket,
};
