/**
 * Puts node-compat in the place of Node's network modules, for CommonJS and ESM alike.
 */
import { channel } from "node:diagnostics_channel";
import { syncBuiltinESMExports } from "node:module";
import type { LookupFunction } from "node:net";
import type { Duplex } from "node:stream";
import { type DgramLookup, makeDgram } from "./dgram.ts";
import { installDns, makeDns } from "./dns.ts";
import type { EventLoop } from "./event-loop.ts";
import { patchFs, patchOs } from "./files.ts";
import { installHandlePassing } from "./handle-passing.ts";
import type { Natives } from "./natives.ts";
import { type ConnectOptions, installConnect, normalizeArguments } from "./net-connect.ts";
import { installServer, isGuestServer } from "./net-server.ts";
import { GuestSocket, socketConstructor } from "./net-socket.ts";
import { installStreamWrapper, installTls } from "./tls-transport.ts";

export interface Compat {
  loop: EventLoop;
  natives: Natives;
  fs: typeof import("node:fs");
  os: typeof import("node:os");
  childProcess: typeof import("node:child_process");
  /** The guest's own address; undefined where the machine's own interfaces are the guest's. */
  address: (() => string) | undefined;
}

const clientChannel = channel("net.client.socket");

/** `net.connect`: a new socket with the options' own settings. */
function makeConnect(): (...args: unknown[]) => GuestSocket {
  return function connect(...args: unknown[]): GuestSocket {
    const [options] = normalizeArguments(args);
    const socket = new (GuestSocket as unknown as new (o: object) => GuestSocket)(options);
    if (clientChannel.hasSubscribers) clientChannel.publish({ socket });
    (socket as unknown as { connect(...a: unknown[]): void }).connect(...args);
    return socket;
  };
}

export function installCompat(compat: Compat): void {
  const { loop, natives, fs, os, childProcess, address } = compat;
  GuestSocket.loop = loop;
  const { net, tls, http } = natives;
  const dns = makeDns(loop, natives.dns);
  const lookup = dns.lookup as unknown as LookupFunction;
  const dgram = makeDgram(loop, natives.dgram, dns.lookup as unknown as DgramLookup);
  const nativeConnect = tls.connect as (...args: unknown[]) => unknown;
  installConnect(natives, lookup);
  installServer(loop, natives, lookup);

  const connect = makeConnect();
  GuestSocket.native = net.Socket;
  const Socket = socketConstructor(net.Socket);
  Object.assign(net, { Socket, Stream: Socket, connect, createConnection: connect });
  http.Agent.prototype.createConnection =
    connect as unknown as typeof http.Agent.prototype.createConnection;

  // TLS runs over a guest socket that it is handed; without that it makes a host socket unseen.
  Object.assign(tls, {
    connect(...args: unknown[]): unknown {
      const [options, callback] = tlsArguments(args);
      if (!options.socket && !options.path) {
        const transport = connect({ ...options } as ConnectOptions);
        const given = { ...options, socket: transport };
        const secure = Reflect.apply(
          nativeConnect,
          tls,
          callback === undefined ? [given] : [given, callback],
        ) as Duplex;
        transport.once("ready", () => secure.emit("ready"));
        return secure;
      }
      return Reflect.apply(nativeConnect, tls, args);
    },
  });
  installStreamWrapper(tls);
  installTls(tls);
  Object.assign(natives.dgram, dgram);
  installHandlePassing(
    childProcess,
    (handle) =>
      handle instanceof GuestSocket ||
      (handle instanceof net.Server && isGuestServer(handle)) ||
      handle instanceof natives.dgram.Socket,
  );
  installDns(natives.dns, dns);
  patchFs(loop.sys, fs);
  if (address !== undefined) patchOs(loop.sys, os, address);
  syncBuiltinESMExports();
}

interface TlsOptions extends ConnectOptions {
  socket?: unknown;
}

/** Arguments of `tls.connect`: (options), (port, host?, options?), each with a callback. */
function tlsArguments(args: unknown[]): [TlsOptions, unknown] {
  const last = args.at(-1);
  const callback = typeof last === "function" ? last : undefined;
  const [base] = normalizeArguments(args);
  let options = base as TlsOptions;
  for (const extra of [args[1], args[2]]) {
    if (typeof extra === "object" && extra !== null) options = { ...options, ...extra };
  }
  return [options, callback];
}
