import { X509Certificate } from "node:crypto";
import type { AddressInfo } from "node:net";
import tls from "node:tls";
import pino from "pino";
import { afterEach, describe, expect, test } from "vitest";
import type { Lifetimes } from "../src/certificate/issue.ts";
import { CertificateKeeper } from "../src/certificate/keeper.ts";
import { splitBundle } from "../src/certificate/plan.ts";
import type { KubeObject } from "../src/kube/api.ts";
import { MemoryApi } from "./memory-api.ts";
import { VirtualClock } from "./virtual-clock.ts";

const log = pino({ level: "silent" });
const DAY = 24 * 3600_000;
const HOST = "outsock-controller.ns.svc";
const SECRETS = "/api/v1/namespaces/ns/secrets";
const WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** A replica: a TLS server, and the keeper that hands it certificates. */
async function replica(api: MemoryApi, clock: VirtualClock, lifetimes?: Lifetimes) {
  const server = tls.createServer({}, (socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => server.close());
  const keeper = new CertificateKeeper({
    api,
    clock,
    log,
    namespace: "ns",
    secret: "cert",
    configuration: "hook",
    names: [HOST],
    ...(lifetimes ? { lifetimes } : {}),
    serve: (certificate) => server.setSecureContext(certificate),
  });
  return { keeper, port: (server.address() as AddressInfo).port };
}

function cluster() {
  const api = new MemoryApi();
  api.put(SECRETS, { metadata: { name: "cert", namespace: "ns" } });
  api.put(WEBHOOKS, {
    metadata: { name: "hook" },
    webhooks: [{ name: "pods.outsock.dev", clientConfig: {} }],
  } as KubeObject);
  return api;
}

function published(api: MemoryApi): string {
  const hook = api.peek<KubeObject & { webhooks: { clientConfig: { caBundle?: string } }[] }>(
    `${WEBHOOKS}/hook`,
  );
  return Buffer.from(hook?.webhooks[0]?.clientConfig.caBundle ?? "", "base64").toString();
}

/**
 * A handshake as the API server does it. OpenSSL knows only the real time, so the chain, the name
 * and the times are held against the virtual one here.
 */
async function handshake(port: number, bundle: string, now: number): Promise<X509Certificate> {
  const socket = tls.connect({
    port,
    host: "127.0.0.1",
    servername: HOST,
    rejectUnauthorized: false,
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("error", reject);
  });
  const certificate = socket.getPeerX509Certificate()!;
  socket.destroy();
  const chain = splitBundle(bundle)
    .map((pem) => new X509Certificate(pem))
    .filter(
      (authority) => certificate.checkIssued(authority) && certificate.verify(authority.publicKey),
    );
  expect(chain).toHaveLength(1);
  for (const one of [certificate, chain[0]!]) {
    expect(Date.parse(one.validFrom)).toBeLessThanOrEqual(now);
    expect(Date.parse(one.validTo)).toBeGreaterThan(now);
  }
  expect(certificate.checkHost(HOST)).toBe(HOST);
  return certificate;
}

describe("the webhook's certificates", () => {
  test("an empty Secret, a leader looks: authority, bundle and serving certificate, trusted by OpenSSL", async () => {
    const api = cluster();
    const clock = new VirtualClock(Date.now());
    const { keeper, port } = await replica(api, clock);
    await keeper.look(true);
    expect(keeper.isServing).toBe(true);
    const socket = tls.connect({ port, host: "127.0.0.1", servername: HOST, ca: published(api) });
    await new Promise<void>((resolve, reject) => {
      socket.once("secureConnect", resolve);
      socket.once("error", reject);
    });
    expect(socket.authorized).toBe(true);
    socket.destroy();
    const secret = api.peek<KubeObject & { data: object }>(`${SECRETS}/cert`);
    expect(Object.keys(secret!.data)).toEqual(["ca.crt", "ca.key", "tls.crt", "tls.key"]);
  });

  test("a replica that does not lead, it writes nothing and serves what the leader made", async () => {
    const api = cluster();
    const clock = new VirtualClock();
    const other = await replica(api, clock);
    await other.keeper.look(false);
    expect(other.keeper.isServing).toBe(false);
    expect(api.writes()).toEqual([]);
    const leader = await replica(api, clock);
    await leader.keeper.look(true);
    await other.keeper.look(false);
    const [a, b] = [
      await handshake(leader.port, published(api), clock.now()),
      await handshake(other.port, published(api), clock.now()),
    ];
    expect(a.fingerprint256).toBe(b.fingerprint256);
  });

  test("all is in order, a look writes nothing", async () => {
    const api = cluster();
    const { keeper } = await replica(api, new VirtualClock());
    await keeper.look(true);
    const before = api.writes().length;
    await keeper.look(true);
    expect(api.writes()).toHaveLength(before);
  });

  test("many lifetimes pass, at every look both replicas are trusted; certificates and authorities rotate", async () => {
    const api = cluster();
    const clock = new VirtualClock();
    const short = { authorityMs: 120 * DAY, servingMs: 30 * DAY };
    const [leader, other] = [await replica(api, clock, short), await replica(api, clock, short)];
    const served = new Set<string>();
    const authorities = new Set<string>();
    await leader.keeper.look(true);
    await other.keeper.look(false);
    for (let day = 0; day < 300; day += 5) {
      // The other replica looks later: it still serves the old one, which must be trusted.
      for (const _ of [1, 2]) {
        await leader.keeper.look(true);
        const now = clock.now();
        served.add((await handshake(leader.port, published(api), now)).fingerprint256);
        await handshake(other.port, published(api), now);
        clock.jump(61_000);
      }
      for (const pem of splitBundle(published(api))) authorities.add(pem);
      expect(splitBundle(published(api)).length).toBeLessThanOrEqual(2);
      await other.keeper.look(false);
      clock.jump(5 * DAY);
    }
    // 30 days renewed at 20, and with each new authority; 120 days renewed at 80.
    expect(served.size).toBeGreaterThanOrEqual(15);
    expect(served.size).toBeLessThanOrEqual(19);
    expect(authorities.size).toBe(4);
  });

  test("a new authority, the serving certificate changes only when the bundle has settled", async () => {
    const api = cluster();
    const clock = new VirtualClock();
    const { keeper, port } = await replica(api, clock);
    await keeper.look(true);
    for (let day = 0; day < 485; day += 5) {
      clock.jump(5 * DAY);
      await keeper.look(true);
      clock.jump(61_000);
      await keeper.look(true);
    }
    const before = await handshake(port, published(api), clock.now());
    clock.jump(5 * DAY);
    await keeper.look(true);
    expect(splitBundle(published(api))).toHaveLength(2);
    expect((await handshake(port, published(api), clock.now())).fingerprint256).toBe(
      before.fingerprint256,
    );
    clock.jump(61_000);
    await keeper.look(true);
    const after = await handshake(port, published(api), clock.now());
    expect(after.fingerprint256).not.toBe(before.fingerprint256);
    const [newest] = splitBundle(published(api));
    expect(after.verify(new X509Certificate(newest!).publicKey)).toBe(true);
  });

  test("somebody empties the bundle or spoils the Secret, the next look mends it", async () => {
    const api = cluster();
    const clock = new VirtualClock();
    const { keeper, port } = await replica(api, clock);
    await keeper.look(true);
    const hook = api.peek<KubeObject & { webhooks: object[] }>(`${WEBHOOKS}/hook`)!;
    api.put(WEBHOOKS, {
      ...hook,
      webhooks: [{ name: "pods.outsock.dev", clientConfig: {} }],
    } as KubeObject);
    await keeper.look(true);
    await handshake(port, published(api), clock.now());
    const secret = api.peek<KubeObject & { data: object }>(`${SECRETS}/cert`)!;
    api.put(SECRETS, { ...secret, data: { ...secret.data, "tls.key": "Zm9v" } } as KubeObject);
    await keeper.look(true);
    await handshake(port, published(api), clock.now());
    api.put(SECRETS, { ...secret, data: { "ca.crt": "Zm9v" } } as KubeObject);
    await keeper.look(true);
    await handshake(port, published(api), clock.now());
  });

  test("two leaders write at once (which cannot be), one loses and nothing is mixed", async () => {
    const api = cluster();
    const clock = new VirtualClock();
    const [a, b] = [await replica(api, clock), await replica(api, clock)];
    await Promise.allSettled([a.keeper.look(true), b.keeper.look(true)]);
    for (const one of [a, b]) {
      await one.keeper.look(true);
      await handshake(one.port, published(api), clock.now());
    }
  });
});
