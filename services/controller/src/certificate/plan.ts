import { createPrivateKey, X509Certificate } from "node:crypto";

/**
 * Rotation without a moment in which the API server and a replica do not fit together:
 *
 * 1. a new authority joins the bundle; the serving certificate stays with the old one
 * 2. the bundle is published in the webhook's configuration, until every API server has seen it
 * 3. the serving certificate is issued anew, by the new authority
 * 4. the old authority leaves the bundle when it has expired
 *
 * A replica that still serves the old certificate is fine all the time: its authority is published.
 */

/** What the Secret holds, in PEM. */
export interface Stored {
  /** All authorities that are still valid, the newest first. */
  authorities: string;
  /** The newest authority's. */
  authorityKey: string;
  certificate: string;
  certificateKey: string;
}

export type Step = "nothing" | "make-all" | "make-authority" | "publish" | "issue" | "prune";

export interface CertificateView {
  stored: Stored | undefined;
  /** The configuration's bundle in PEM, empty while it has none; undefined without configuration. */
  published: string | undefined;
  /** Since when this bundle has been seen published. */
  publishedSince: number;
  names: readonly string[];
  now: number;
}

/** Time for every API server to see a bundle. */
const SETTLE_MS = 60_000;
/** What is left of a lifetime when the next one is made. */
const RENEW_AT = 1 / 3;

/** The next step; call again after it is done, until there is nothing. */
export function nextStep(view: CertificateView): Step {
  const { stored, published, publishedSince, names, now } = view;
  const read = stored && readStored(stored);
  const newest = read?.authorities[0];
  if (!stored || !read || !newest || isOver(newest, now)) return "make-all";
  if (isDue(newest, now)) return "make-authority";
  if (read.authorities.some((authority) => isOver(authority, now))) return "prune";
  const isPublished = published === undefined || sameBundle(published, stored.authorities);
  if (!isPublished) return "publish";
  const { certificate } = read;
  const usable =
    certificate !== undefined &&
    !isOver(certificate, now) &&
    names.every((name) => certificate.checkHost(name) !== undefined) &&
    read.authorities.some((authority) => certificate.verify(authority.publicKey));
  if (!usable) return "issue";
  if (!isDue(certificate, now) && certificate.verify(newest.publicKey)) return "nothing";
  const settled = published === undefined || now - publishedSince >= SETTLE_MS;
  return settled ? "issue" : "nothing";
}

/** The bundle without what has expired. */
export function pruneBundle(bundle: string, now: number): string {
  return splitBundle(bundle)
    .filter((pem) => !isOver(new X509Certificate(pem), now))
    .join("");
}

export function splitBundle(bundle: string): string[] {
  const found = bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return found.map((pem) => `${pem}\n`);
}

export function sameBundle(a: string, b: string): boolean {
  return splitBundle(a).join("") === splitBundle(b).join("");
}

/** Whether a replica that serves `stored` is trusted by an API server that has `published`. */
export function isTrusted(stored: Stored, published: string | undefined): boolean {
  if (published === undefined) return true;
  try {
    const certificate = new X509Certificate(stored.certificate);
    return splitBundle(published).some((pem) =>
      certificate.verify(new X509Certificate(pem).publicKey),
    );
  } catch {
    return false;
  }
}

function readStored(
  stored: Stored,
): { authorities: X509Certificate[]; certificate: X509Certificate | undefined } | undefined {
  try {
    const authorities = splitBundle(stored.authorities).map((pem) => new X509Certificate(pem));
    if (!authorities[0]?.checkPrivateKey(createPrivateKey(stored.authorityKey))) return undefined;
    return { authorities, certificate: readServing(stored) };
  } catch {
    return undefined;
  }
}

function readServing(stored: Stored): X509Certificate | undefined {
  try {
    const certificate = new X509Certificate(stored.certificate);
    const key = createPrivateKey(stored.certificateKey);
    return certificate.checkPrivateKey(key) ? certificate : undefined;
  } catch {
    return undefined;
  }
}

function isOver(certificate: X509Certificate, now: number): boolean {
  return now >= Date.parse(certificate.validTo);
}

function isDue(certificate: X509Certificate, now: number): boolean {
  const from = Date.parse(certificate.validFrom);
  const to = Date.parse(certificate.validTo);
  return now >= to - (to - from) * RENEW_AT;
}
