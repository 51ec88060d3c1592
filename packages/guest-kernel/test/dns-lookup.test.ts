import { promisify } from "node:util";
import { expect, test } from "vitest";
import { a, type Dns, failure, guest, zone } from "./dns-guest.ts";
import type { Script } from "./dns-server.ts";
import { until } from "./guest.ts";

const look = (dns: Dns, name: string, options: object = {}): Promise<unknown> =>
  dns.promises.lookup(name, options);

test("lookup: literals, loose numbers, hosts, localhost and the network's own names", async () => {
  const { dns, at, servers } = guest([zone]);
  at.network.names.set("db", ["127.77.0.3"]);
  expect(await look(dns, "10.0.0.1")).toEqual({ address: "10.0.0.1", family: 4 });
  expect(await look(dns, "::1")).toEqual({ address: "::1", family: 6 });
  expect(await look(dns, "127.1")).toEqual({ address: "127.0.0.1", family: 4 });
  expect(await look(dns, "0x7f.0.0.010")).toEqual({ address: "127.0.0.8", family: 4 });
  expect(await look(dns, "WEB")).toEqual({ address: "127.77.0.2", family: 4 });
  expect(await look(dns, "db")).toEqual({ address: "127.77.0.3", family: 4 });
  const both = [
    { address: "::1", family: 6 },
    { address: "127.0.0.1", family: 4 },
  ];
  expect(await look(dns, "localhost", { all: true })).toEqual(both);
  expect(await look(dns, "some.localhost", { all: true })).toEqual(both);
  expect(await look(dns, "localhost", { family: 4 })).toEqual(both[1]);
  expect(await look(dns, "localhost", { order: "ipv4first" })).toEqual(both[1]);
  expect(await look(dns, "localhost", { verbatim: false, all: true })).toEqual([both[1], both[0]]);
  expect(await look(dns, "web", { family: 6, hints: dns.V4MAPPED })).toEqual({
    address: "::ffff:127.77.0.2",
    family: 6,
  });
  expect(servers[0]!.asked).toEqual([]);
  expect(at.held).toBe(0);
});

test("lookup asks for both families at once, and util.promisify gives an object", async () => {
  const { dns, servers } = guest([zone]);
  expect(await look(dns, "alias.example", { all: true, order: "ipv4first" })).toEqual([
    { address: "192.0.2.1", family: 4 },
    { address: "192.0.2.2", family: 4 },
    { address: "2001:db8::1", family: 6 },
    { address: "::ffff:1.2.3.4", family: 6 },
  ]);
  expect(servers[0]!.asked.map(({ type }) => type)).toEqual(["A", "AAAA"]);
  expect(await promisify(dns.lookup)("host.example", { family: 4 })).toEqual({
    address: "192.0.2.1",
    family: 4,
  });
});

test("lookup calls back in a later turn, in the caller's order", async () => {
  const { dns } = guest([zone]);
  const order: string[] = [];
  const done = new Promise<void>((resolve) => {
    dns.lookup("web", () => {
      order.push("web");
      resolve();
    });
    dns.lookup("10.0.0.1", (_error, address, family) => order.push(`${address} ${family}`));
  });
  order.push("returned");
  await done;
  expect(order).toEqual(["returned", "10.0.0.1 4", "web"]);
});

test("lookup's errors are getaddrinfo's", async () => {
  const { dns } = guest([zone]);
  const error = await failure(look(dns, "nosuch.example"));
  expect({ message: error.message, ...error }).toEqual({
    message: "getaddrinfo ENOTFOUND nosuch.example",
    errno: -3008,
    code: "ENOTFOUND",
    syscall: "getaddrinfo",
    hostname: "nosuch.example",
  });
  expect(await failure(look(dns, "empty.example"))).toMatchObject({
    errno: -3007,
    code: "ENOTFOUND",
  });
  expect(await failure(look(dns, "failed.example"))).toMatchObject({
    errno: -3001,
    code: "EAI_AGAIN",
  });
  expect(await failure(look(dns, "a b"))).toMatchObject({ errno: -3008, code: "ENOTFOUND" });
  expect(await failure(look(dns, "x".repeat(300)))).toMatchObject({ errno: -22, code: "EINVAL" });
  expect(await failure(look(dns, "127.1", { family: 6 }))).toMatchObject({
    errno: -3000,
    code: "EAI_ADDRFAMILY",
  });
  const unconfigured = guest();
  expect(await failure(look(unconfigured.dns, "host.example"))).toMatchObject({
    message: "getaddrinfo EAI_AGAIN host.example",
    errno: -3001,
  });
});

test("lookup when no server answers: attempts of resolv.conf, then EAI_AGAIN", async () => {
  const conf = "options timeout:2 attempts:2\n";
  const { dns, at, servers } = guest([() => undefined], conf);
  const failed = failure(look(dns, "host.example", { family: 4 }));
  await until(() => servers[0]!.asked.length === 1);
  expect(at.elapse()).toBe(2000);
  await until(() => servers[0]!.asked.length === 2);
  expect(at.elapse()).toBe(2000);
  expect(await failed).toMatchObject({ code: "EAI_AGAIN" });
  expect([at.held, at.armed]).toEqual([0, 0]);
});

test("lookup: search list and ndots (resolv.conf(5))", async () => {
  const conf = "search svc.cluster.local cluster.local\noptions ndots:2\n";
  const only: Script = ({ name }) => (name === "db.cluster.local" ? [a(name, "10.0.0.9")] : 3);
  const { dns, servers } = guest([only], conf);
  expect(await look(dns, "db", { family: 4 })).toEqual({ address: "10.0.0.9", family: 4 });
  const names = (): string[] => servers[0]!.asked.splice(0).map(({ name }) => name);
  expect(names()).toEqual(["db.svc.cluster.local", "db.cluster.local"]);
  await failure(look(dns, "a.b.c", { family: 4 }));
  expect(names()).toEqual(["a.b.c", "a.b.c.svc.cluster.local", "a.b.c.cluster.local"]);
  await failure(look(dns, "db.", { family: 4 }));
  expect(names()).toEqual(["db"]);
});

test("lookup passes over a server that fails", async () => {
  const { dns } = guest([() => 2, zone]);
  expect(await look(dns, "host.example", { family: 4 })).toEqual({
    address: "192.0.2.1",
    family: 4,
  });
});

test("lookup of a name beyond ASCII asks for its Punycode", async () => {
  const { dns, servers } = guest([({ name }) => [a(name, "192.0.2.7")]]);
  await look(dns, "b\u00fccher.example", { family: 4 });
  expect(servers[0]!.asked[0]!.name).toBe("xn--bcher-kva.example");
});

test("lookupService: hosts, then PTR, with the service's name", async () => {
  const { dns } = guest([zone]);
  expect(await dns.promises.lookupService("127.0.0.1", 80)).toEqual({
    hostname: "localhost",
    service: "http",
  });
  expect(await promisify(dns.lookupService)("192.0.2.1", 64999)).toEqual({
    hostname: "host.example",
    service: "64999",
  });
  expect(await failure(dns.promises.lookupService("198.51.100.1", 22))).toMatchObject({
    message: "getnameinfo ENOTFOUND 198.51.100.1",
    errno: -3008,
    syscall: "getnameinfo",
  });
});

test("reverse of an address in hosts gives its aliases", async () => {
  const { dns } = guest([zone]);
  expect(await dns.promises.reverse("127.77.0.2")).toEqual(["web"]);
});
