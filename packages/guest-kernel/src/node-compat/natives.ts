/**
 * Node's own network modules, as they are before anything is replaced. Taken once at boot; TLS and
 * HTTP are loaded here too, because they capture `net.Socket` when they load.
 */
import type * as dgram from "node:dgram";
import type * as dns from "node:dns";
import type * as http from "node:http";
import type * as http2 from "node:http2";
import type * as https from "node:https";
import type * as net from "node:net";
import type * as tls from "node:tls";

/** The mutable module objects (`require` gives them, an ESM namespace is frozen). */
export interface Natives {
  net: typeof net;
  tls: typeof tls;
  http: typeof http;
  https: typeof https;
  http2: typeof http2;
  dgram: typeof dgram;
  dns: typeof dns;
}

/** @param load `require` of a CommonJS module */
export function takeNatives(load: (name: string) => unknown): Natives {
  return {
    net: load("node:net") as typeof net,
    tls: load("node:tls") as typeof tls,
    http: load("node:http") as typeof http,
    https: load("node:https") as typeof https,
    http2: load("node:http2") as typeof http2,
    dgram: load("node:dgram") as typeof dgram,
    dns: load("node:dns") as typeof dns,
  };
}
