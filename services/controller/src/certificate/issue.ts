// tsyringe, inside @peculiar/x509, wants it loaded before.
import "reflect-metadata";
import { webcrypto as crypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

/** Makes the webhook's certificates. Time comes from outside; keys are ECDSA on P-256. */

x509.cryptoProvider.set(crypto);

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const DAY = 24 * 3600_000;

export interface Lifetimes {
  authorityMs: number;
  servingMs: number;
}

export const LIFETIMES: Lifetimes = { authorityMs: 730 * DAY, servingMs: 90 * DAY };

/** For clocks that are behind. */
const BACKDATED_MS = 3600_000;

/** PEM. */
export interface KeyPair {
  certificate: string;
  key: string;
}

export async function makeAuthority(now: number, { authorityMs }: Lifetimes): Promise<KeyPair> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  // The time in the name tells two authorities apart, for people and for chain building.
  const name = `CN=outsock-webhook-ca-${Math.floor(now / 1000)}`;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name,
    notBefore: new Date(now - BACKDATED_MS),
    notAfter: new Date(now + authorityMs),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, crypto),
    ],
  });
  return { certificate: certificate.toString("pem"), key: await exportKey(keys.privateKey) };
}

export async function issueServing(
  authority: KeyPair,
  names: readonly string[],
  now: number,
  { servingMs }: Lifetimes,
): Promise<KeyPair> {
  const issuer = new x509.X509Certificate(authority.certificate);
  const signingKey = await importKey(authority.key);
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: `CN=${names[0]!.slice(0, 64)}`,
    issuer: issuer.subject,
    notBefore: new Date(now - BACKDATED_MS),
    notAfter: new Date(Math.min(now + servingMs, issuer.notAfter.getTime())),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: "dns", value }))),
      await x509.AuthorityKeyIdentifierExtension.create(issuer, false, crypto),
    ],
  });
  return { certificate: certificate.toString("pem"), key: await exportKey(keys.privateKey) };
}

function serial(): string {
  const bytes = Buffer.from(crypto.getRandomValues(new Uint8Array(16)));
  // RFC 5280 (4.1.2.2): positive.
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes.toString("hex");
}

async function exportKey(key: crypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}

async function importKey(pem: string): Promise<crypto.CryptoKey> {
  const [der] = x509.PemConverter.decode(pem);
  return crypto.subtle.importKey("pkcs8", der!, ALGORITHM, false, ["sign"]);
}
