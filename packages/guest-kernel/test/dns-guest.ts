/** A guest with node:dns on scripted servers, and the zone that they serve. */
import native from "node:dns";
import type { Answer } from "dns-packet";
import { installDns, makeDns } from "../src/node-compat/dns.ts";
import { DnsServer, type Script } from "./dns-server.ts";
import { TestGuest } from "./guest.ts";

export type Dns = typeof native;
export const SERVER = "127.0.0.53";

export interface Guest {
  at: TestGuest;
  dns: Dns;
  servers: DnsServer[];
}

export function guest(scripts: Script[] = [], conf = ""): Guest {
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
  const replacement = makeDns(at.loop, native);
  const dns = { ...native, promises: { ...native.promises } } as Dns;
  installDns(dns, replacement);
  return { at, dns, servers };
}

export const a = (name: string, data: string, ttl = 60): Answer => ({ type: "A", name, data, ttl });
export const alias = (name: string, data: string, ttl = 60): Answer => ({
  type: "CNAME",
  name,
  data,
  ttl,
});
export const failure = (promise: Promise<unknown>): Promise<NodeJS.ErrnoException> =>
  promise.then(
    () => Promise.reject(new Error("did not fail")),
    (error) => error,
  );

export const zone: Script = ({ name, type }) => {
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
    {
      type: "TLSA",
      name: "host.example",
      data: { usage: 3, selector: 1, matchingType: 1, certificate: Buffer.from("abc") },
    },
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
  // With TLSA, Node's own resolveAny gives a sparse array.
  if (type === "ANY") return found.filter((r) => r.type !== "TLSA");
  return found.filter((r) => r.type === type);
};
