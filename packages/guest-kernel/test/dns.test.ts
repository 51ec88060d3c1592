import native from "node:dns";
import { promisify } from "node:util";
import type { Answer } from "dns-packet";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type DnsReplacement, installDns, makeDns } from "../src/node-compat/dns.ts";
import { DnsServer, nativeServer, response, type Script } from "./dns-server.ts";
import { TestGuest, until } from "./guest.ts";

type Dns = typeof native;
const SERVER = "127.0.0.53";

interface Guest {
  at: TestGuest;
  dns: Dns;
  servers: DnsServer[];
}

function guest(scripts: Script[] = [], conf = ""): Guest {
  const at = new TestGuest();
  const servers = scripts.map(
    (script, i) => new DnsServer(at.network, `127.0.0.${53 + i}`, script),
  );
  const nameservers = servers.map((_, i) => `nameserver 127.0.0.${53 + i}\n`).join("");
  at.kernel.files.write("/etc/resolv.conf", () => nameservers + conf);
  at.kernel.files.write(
    "/etc/hosts",
    () => "127.0.0.1 localhost\n::1 localhost\n127.77.0.2 web-1 web\n",
  );
  const replacement: DnsReplacement = makeDns(at.loop, native);
  const dns = { ...native, promises: { ...native.promises } } as Dns;
  installDns(dns, replacement);
  return { at, dns, servers };
}

const a = (name: string, data: string, ttl = 60): Answer => ({ type: "A", name, data, ttl });
const alias = (name: string, data: string, ttl = 60): Answer => ({
  type: "CNAME",
  name,
  data,
  ttl,
});
const failure = (promise: Promise<unknown>): Promise<NodeJS.ErrnoException> =>
  promise.then(
    () => Promise.reject(new Error("did not fail")),
    (error) => error,
  );

// The whole of dns.resolve*, against Node's own resolver

const zone: Script = ({ name, type }) => {
  const records: Answer[] = [
    a("host.example", "192.0.2.1", 300),
    a("host.example", "192.0.2.2", 200),
    { type: "AAAA", name: "host.example", data: "2001:db8::1", ttl: 100 },
    { type: "AAAA", name: "host.example", data: "::ffff:1.2.3.4", ttl: 100 },
    { type: "MX", name: "host.example", data: { preference: 10, exchange: "mail.example" } },
    { type: "NS", name: "host.example", data: "ns.example" },
    { type: "TXT", name: "host.example", data: ["one", "two"] },
    { type: "TXT", name: "host.example", data: ["caf\u00e9"] },
    {
      type: "SRV",
      name: "host.example",
      data: { port: 80, target: "t.example", priority: 1, weight: 2 },
    },
    {
      type: "NAPTR",
      name: "host.example",
      data: {
        order: 1,
        preference: 2,
        flags: "s",
        services: "SIP+D2U",
        regexp: "",
        replacement: "_sip._udp.example",
      },
    },
    {
      type: "SOA",
      name: "host.example",
      data: {
        mname: "ns.example",
        rname: "root.example",
        serial: 1,
        refresh: 2,
        retry: 3,
        expire: 4,
        minimum: 5,
      },
    },
    { type: "CAA", name: "host.example", data: { flags: 128, tag: "issue", value: "ca.example" } },
    { type: "PTR", name: "1.2.0.192.in-addr.arpa", data: "host.example" },
    {
      type: "PTR",
      name: "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
      data: "six.example",
    },
  ];
  if (name === "refused.example") return 5;
  if (name === "failed.example") return 2;
  if (name === "empty.example") return [];
  if (name === "alias.example") {
    const target = records.filter((r) => r.name === "host.example" && r.type === type);
    return [alias(name, "host.example", 50), ...target];
  }
  const found = records.filter((r) => r.name === name);
  if (found.length === 0) return 3;
  return type === "ANY" ? found : found.filter((r) => r.type === type);
};

const METHODS = [
  "resolve4",
  "resolve6",
  "resolveAny",
  "resolveCaa",
  "resolveCname",
  "resolveMx",
  "resolveNaptr",
  "resolveNs",
  "resolvePtr",
  "resolveSoa",
  "resolveSrv",
  "resolveTxt",
] as const;
const NAMES = [
  "host.example",
  "HOST.example.",
  "alias.example",
  "empty.example",
  "refused.example",
  "failed.example",
  "nosuch.example",
  "1.2.0.192.in-addr.arpa",
  "a..b",
  `${"x".repeat(64)}.example`,
];

type Call = (resolver: native.promises.Resolver) => Promise<unknown>;

const sorted = (value: unknown): unknown => {
  if (!Array.isArray(value)) return value;
  return [...value].sort((x, y) => (JSON.stringify(x) < JSON.stringify(y) ? -1 : 1));
};

async function outcome(resolver: native.promises.Resolver, call: Call): Promise<unknown> {
  try {
    return sorted(await call(resolver));
  } catch (error) {
    return { message: (error as Error).message, ...(error as object) };
  }
}

test("resolvers answer as Node's own do, for every type and every failure", async () => {
  const [address, close] = await nativeServer(zone);
  const { dns, at } = guest([zone]);
  const theirs = new native.promises.Resolver();
  theirs.setServers([address]);
  const ours = new dns.promises.Resolver();
  ours.setServers([SERVER]);
  const calls: [string, Call][] = [];
  for (const name of NAMES) {
    for (const method of METHODS) calls.push([`${method} ${name}`, (r) => r[method](name)]);
  }
  for (const name of ["host.example", "alias.example"]) {
    calls.push([`ttl ${name}`, (r) => r.resolve4(name, { ttl: true })]);
    calls.push([`ttl6 ${name}`, (r) => r.resolve6(name, { ttl: true })]);
    calls.push([`resolve ${name}`, (r) => r.resolve(name)]);
    calls.push([`resolve MX ${name}`, (r) => r.resolve(name, "MX")]);
  }
  for (const ip of ["192.0.2.1", "2001:db8::1", "198.51.100.1"]) {
    calls.push([`reverse ${ip}`, (r) => r.reverse(ip)]);
  }
  const [got, expected]: [unknown[], unknown[]] = [[], []];
  for (const [name, call] of calls) {
    got.push([name, await outcome(ours, call)]);
    expected.push([name, await outcome(theirs, call)]);
  }
  expect(got).toEqual(expected);
  await until(() => at.held === 0);
  close();
});

test("the callback functions, their names and their argument errors are Node's", () => {
  const { dns } = guest([zone]);
  expect(Object.keys(dns).sort()).toEqual(Object.keys(native).sort());
  expect(Object.keys(dns.promises).sort()).toEqual(Object.keys(native.promises).sort());
  const wrong: ((of: Dns) => unknown)[] = [
    (of) => of.resolve4(1 as never, () => {}),
    (of) => of.resolve4("a", 1 as never),
    (of) => of.resolve("a", "NOPE" as never, () => {}),
    (of) => of.reverse("nonsense", () => {}),
    (of) => of.setServers(["nonsense"]),
    (of) => of.setServers(1 as never),
    (of) => new of.Resolver({ timeout: "1" as never }),
    (of) => new of.Resolver({ tries: 0 }),
    (of) => new of.Resolver().setLocalAddress("nonsense"),
    (of) => new of.Resolver().setLocalAddress("127.0.0.1", "127.0.0.2"),
    (of) => of.lookup(1 as never, () => {}),
    (of) => of.lookup("a.example", 5 as never, () => {}),
    (of) => of.lookup("a.example", { family: 5 as never }, () => {}),
    (of) => of.lookup("a.example", { hints: 1 << 20 }, () => {}),
    (of) => of.lookup("a.example", { all: 1 as never }, () => {}),
    (of) => of.lookup("a.example", "x" as never, () => {}),
    (of) => of.lookup("a.example", undefined as never),
    (of) => of.lookupService("a.example", 80, () => {}),
    (of) => of.lookupService("127.0.0.1", 65536, () => {}),
    (of) => of.lookupService("127.0.0.1", 80, undefined as never),
    (of) => of.promises.lookup("a.example", { family: 5 as never }),
    (of) => of.promises.lookup("a.example", "x" as never),
    (of) => of.promises.lookupService("127.0.0.1", -1),
    (of) => of.setDefaultResultOrder("x" as never),
  ];
  const thrown = (run: (of: Dns) => unknown, of: Dns): unknown => {
    try {
      run(of);
    } catch (error) {
      return {
        message: (error as Error).message,
        name: (error as Error).name,
        ...(error as object),
      };
    }
    throw new Error(`did not throw: ${run}`);
  };
  for (const run of wrong) expect(thrown(run, dns)).toEqual(thrown(run, native));
});

test("servers: resolv.conf's by default; setServers; not while queries are pending", async () => {
  const { dns, at } = guest([() => undefined, zone]);
  expect(dns.getServers()).toEqual(["127.0.0.53", "127.0.0.54"]);
  const resolver = new dns.Resolver();
  resolver.setServers(["127.0.0.54:53", "[::1]:5353"]);
  expect(resolver.getServers()).toEqual(["127.0.0.54", "[::1]:5353"]);
  dns.setServers(["127.0.0.54"]);
  expect(dns.getServers()).toEqual(["127.0.0.54"]);
  expect(await dns.promises.resolve4("host.example")).toEqual(["192.0.2.1", "192.0.2.2"]);
  resolver.setServers(["127.0.0.53"]);
  const pending = failure(promisify(resolver.resolve4.bind(resolver))("host.example"));
  expect(() => resolver.setServers(["127.0.0.54"])).toThrow(
    expect.objectContaining({ code: "ERR_DNS_SET_SERVERS_FAILED" }),
  );
  resolver.cancel();
  expect(await pending).toMatchObject({ code: "ECANCELLED", syscall: "queryA" });
  expect([at.held, at.armed]).toEqual([0, 0]);
});

// Retries, timeouts, truncation

test("a silent server: attempts double their time over the tries, then ETIMEOUT", async () => {
  const { dns, at, servers } = guest([() => undefined]);
  const resolver = new dns.promises.Resolver({ timeout: 100, tries: 3 });
  const failed = failure(resolver.resolve4("host.example"));
  const waits: number[] = [];
  for (let n = 1; n <= 3; n++) {
    await until(() => servers[0]!.asked.length === n);
    waits.push(at.elapse());
  }
  expect(await failed).toMatchObject({ code: "ETIMEOUT", message: "queryA ETIMEOUT host.example" });
  expect(waits).toEqual([100, 200, 400]);
  const { asked } = servers[0]!;
  expect(new Set(asked.map(({ port }) => port)).size).toBe(3);
  expect([at.held, at.armed, at.network.bound.size]).toEqual([0, 0, 2]);
});

test("the next server is asked when one is silent, refuses or answers garbage", async () => {
  const garbage: Script = ({ bytes }) => {
    const broken = Buffer.from(bytes);
    broken[2] = 0x81;
    broken.writeUInt16BE(7, 6);
    return [broken];
  };
  for (const first of [() => undefined, garbage] as Script[]) {
    const { dns, at, servers } = guest([first, zone]);
    const got = dns.promises.resolve4("host.example");
    await until(() => servers[0]!.asked.length === 1);
    if (servers[1]!.asked.length === 0 && at.armed > 0 && first !== garbage) at.elapse();
    expect(await got).toEqual(["192.0.2.1", "192.0.2.2"]);
  }
  const { dns } = guest([zone]);
  const resolver = new dns.promises.Resolver();
  resolver.setServers(["127.0.0.99", SERVER]);
  expect(await resolver.resolve4("host.example")).toEqual(["192.0.2.1", "192.0.2.2"]);
  resolver.setServers(["127.0.0.99"]);
  expect(await failure(resolver.resolve4("host.example"))).toMatchObject({ code: "ECONNREFUSED" });
});

test("garbage from every server is EBADRESP", async () => {
  const { dns } = guest([
    ({ bytes }) => {
      const broken = Buffer.from(bytes);
      broken[2] = 0x81;
      broken.writeUInt16BE(1, 6);
      return [broken.subarray(0, -4)];
    },
  ]);
  expect(await failure(dns.promises.resolve4("host.example"))).toMatchObject({ code: "EBADRESP" });
});

test("an answer that comes after its attempt timed out is still taken", async () => {
  let late: Buffer[] = [];
  const { dns, at, servers } = guest([
    (asked) => {
      if (late.length === 0) {
        late = response(asked, [a("host.example", "192.0.2.9")]);
        return undefined;
      }
      return undefined;
    },
  ]);
  const got = dns.promises.resolve4("host.example");
  await until(() => servers[0]!.asked.length === 1);
  at.elapse();
  await until(() => servers[0]!.asked.length === 2);
  const { port } = servers[0]!.asked[0]!;
  const sockets = [...at.network.bound] as { local?: { port: number }; sendto?: unknown }[];
  const server = sockets.find((s) => s.local?.port === 53) as unknown as {
    sendto(data: Buffer, to: object): number;
  };
  server.sendto(late[0]!, { family: 2, address: "127.0.0.1", port });
  expect(await got).toEqual(["192.0.2.9"]);
});

test("a truncated answer is asked for again over TCP", async () => {
  const many = Array.from({ length: 400 }, (_, i) =>
    a("host.example", `10.0.${i >> 8}.${i & 255}`),
  );
  const { dns, at, servers } = guest([({ tcp }) => (tcp ? many : { truncated: true })]);
  expect(await dns.promises.resolve4("host.example")).toHaveLength(400);
  expect(servers[0]!.asked.map(({ tcp }) => tcp)).toEqual([false, true]);
  expect(at.held).toBe(0);
});

test("a server that does not know EDNS is asked without it", async () => {
  const { dns, servers } = guest([({ edns }) => (edns ? 1 : [a("host.example", "192.0.2.1")])]);
  expect(await dns.promises.resolve4("host.example")).toEqual(["192.0.2.1"]);
  expect(servers[0]!.asked.map(({ edns }) => edns)).toEqual([true, false]);
});

test("answers with another id, question or from another port are no answers", async () => {
  const { dns } = guest([
    (asked) => [
      ...response({ ...asked, id: asked.id ^ 1 }, [a("host.example", "6.6.6.6")]),
      ...response({ ...asked, name: "other.example" }, [a("other.example", "6.6.6.6")]),
      ...response({ ...asked, type: "AAAA" }, [a("host.example", "6.6.6.6")]),
      asked.bytes,
      Buffer.from("garbage"),
      Buffer.alloc(0),
      ...response(asked, [a("evil.example", "6.6.6.6"), a("host.example", "192.0.2.1")]),
    ],
  ]);
  expect(await dns.promises.resolve4("host.example")).toEqual(["192.0.2.1"]);
});

test("alias chains: followed with the least TTL, loops end, names that are none are refused", async () => {
  const chain: Script = ({ name }) => {
    if (name === "loop.example") return [alias(name, "l2.example"), alias("l2.example", name)];
    if (name === "bad.example") return [alias(name, "a b.example")];
    return [
      alias("c.example", "d.example", 5),
      a("d.example", "192.0.2.4", 60),
      alias(name, "c.example", 9),
    ];
  };
  const { dns } = guest([chain]);
  expect(await dns.promises.resolve4("b.example", { ttl: true })).toEqual([
    { address: "192.0.2.4", ttl: 5 },
  ]);
  expect(await failure(dns.promises.resolve4("loop.example"))).toMatchObject({ code: "ENODATA" });
  expect(await failure(dns.promises.resolveCname("bad.example"))).toMatchObject({
    code: "EBADRESP",
  });
});

test("fuzz: whatever a server says, a query ends in an answer or a coded error", async () => {
  const codes = [
    "ENODATA",
    "ENOTFOUND",
    "EBADRESP",
    "ESERVFAIL",
    "EREFUSED",
    "ENOTIMP",
    "EFORMERR",
  ];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...METHODS),
      fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 12 }),
      fc.nat(400),
      fc.uint8Array({ maxLength: 40 }),
      async (method, edits, cut, tail) => {
        const { dns, at } = guest([
          (asked) => {
            const says = zone({ ...asked, name: "host.example" }) ?? [];
            const [bytes] = response(asked, says as Answer[]);
            const start = 12 + asked.name.length + 6;
            for (const [offset, value] of edits) {
              const i = start + (offset % Math.max(1, bytes!.length - start));
              if (i < bytes!.length) bytes![i] = value;
            }
            if (edits.length % 2 === 1) bytes!.writeUInt16BE(cut, 6);
            return [Buffer.concat([bytes!.subarray(0, Math.max(start, cut)), tail])];
          },
        ]);
        try {
          await dns.promises[method]("host.example");
        } catch (error) {
          expect(codes).toContain((error as NodeJS.ErrnoException).code);
        }
        expect([at.held, at.armed]).toEqual([0, 0]);
      },
    ),
    { seed: 20090331, numRuns: 300 },
  );
});

// dns.lookup

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
