import native from "node:dns";
import { promisify } from "node:util";
import type { Answer } from "dns-packet";
import fc from "fast-check";
import { expect, test } from "vitest";
import { a, alias, type Dns, failure, guest, SERVER, zone } from "./dns-guest.ts";
import { nativeServer, response, type Script } from "./dns-server.ts";
import { until } from "./guest.ts";

// The whole of dns.resolve*, against Node's own resolver

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
  // Version 20 has none.
  if ("resolveTlsa" in native) {
    const tlsa = (r: object): Promise<unknown> =>
      (r as { resolveTlsa(name: string): Promise<unknown> }).resolveTlsa("host.example");
    calls.push(["resolveTlsa", tlsa]);
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
    throw new Error(`did not throw: ${String(run)}`);
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
