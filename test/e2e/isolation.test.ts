/** A guest has no network of its own: everything goes through the agent. */
import { createRequire } from "node:module";
import { generate } from "selfsigned";
import { describe, expect, test } from "vitest";
import { networkNamespace } from "./namespace.ts";
import { bootSite } from "./rubis.ts";
import { BUILT, program, sandbox, whyNotRoot } from "./sandbox.ts";

const KOFFI = createRequire(import.meta.url).resolve("koffi");
const EACCES = 13;

describe.skipIf(!BUILT)("sockets of the host in a guest", () => {
  test("main thread, worker, child, child without our variables, libuv's pool: all are denied", async () => {
    const box = sandbox();
    await box.agent();
    const path = program("sockets.cjs");
    const env = { KOFFI };
    const native = JSON.parse((await box.native(path, { env }).ended).stdout);
    expect(native.main).toMatchObject({ "inet stream": "a socket", "inet6 datagram": "a socket" });
    const outcome = await box.guest(path, { env }).ended;
    expect(outcome).toMatchObject({ code: 0, stderr: "" });
    const denied = {
      "inet stream": EACCES,
      "inet datagram": EACCES,
      "inet raw": EACCES,
      "inet6 stream": EACCES,
      "inet6 datagram": EACCES,
      packet: EACCES,
      vsock: EACCES,
      unix: "a socket",
    };
    expect(JSON.parse(outcome.stdout)).toEqual({
      main: denied,
      worker: denied,
      child: denied,
      withoutOutsock: denied,
      pool: [false, false],
    });
  }, 60_000);
});

describe.skipIf(!BUILT)("guests in an empty network namespace", () => {
  const reason = whyNotRoot("unshare", "nsenter", "ip");
  const why = reason === undefined ? "" : ` (${reason})`;
  test.skipIf(reason !== undefined)(
    `TCP, TLS, UDP and DNS without any interface: all of them work${why}`,
    async () => {
      const box = sandbox();
      await box.agent();
      const { prefix } = await networkNamespace();
      const pems = await generate([{ name: "commonName", value: "localhost" }]);
      const CERTIFICATE = JSON.stringify({ key: pems.private, cert: pems.cert });
      const path = program("protocols.cjs");
      // The program does need a network: natively it has none there.
      const native = await box.native(path, { env: { CERTIFICATE }, prefix }).ended;
      expect(native.code).not.toBe(0);
      const guest = await box.guest(path, { env: { CERTIFICATE }, prefix }).ended;
      expect(guest).toMatchObject({ code: 0, stderr: "" });
      expect(JSON.parse(guest.stdout)).toEqual({
        tcp: "over TCP",
        tls: "over TLS true",
        udp: "over UDP back",
        dns: ["192.0.2.7"],
        lookup: "127.0.0.1",
      });
    },
    60_000,
  );

  test.skipIf(reason !== undefined)(
    `the three tiers of RUBiS without any interface: the site answers through the published port${why}`,
    async () => {
      const box = sandbox();
      await box.agent();
      const { prefix } = await networkNamespace();
      // Not even a loopback is up there.
      const links = await box.start("ip", ["-o", "link", "show", "up"], { prefix }).ended;
      expect(links).toMatchObject({ code: 0, stdout: "" });
      const url = await bootSite(box, { prefix });
      const pages: [string, RegExp][] = [
        ["/BrowseCategories", /SearchItemsByCategory/],
        ["/SearchItemsByCategory?category=1", /ViewItem/],
        ["/ViewItem?itemId=1", /<html/i],
      ];
      for (const [path, content] of pages) {
        const response = await fetch(url + path);
        expect({ path, status: response.status }).toEqual({ path, status: 200 });
        expect(await response.text()).toMatch(content);
      }
    },
    120_000,
  );
});
