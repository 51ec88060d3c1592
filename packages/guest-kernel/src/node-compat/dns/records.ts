/** Answers as node:dns gives them (src/cares_wrap.cc). */
import type { Answer } from "dns-packet";
import { addressRecords, followAliases } from "./chain.ts";

/** Names or values in an answer that no honest server sends. */
export class MalformedAnswer extends Error {}

interface Shaped {
  result: unknown[] | object;
  /** One for each result, for resolve4 and resolve6. */
  ttls?: number[];
}

type Type = Answer["type"];
type DataOf<T extends Type> = Extract<Answer, { type: T; data: unknown }>["data"];

/** c-ares takes these in host names (ares_is_hostnamech). */
const HOST_NAME = /^[\w.*/-]*$/;

function hostName(name: string): string {
  const bare = name === "." ? "" : name;
  if (!HOST_NAME.test(bare)) throw new MalformedAnswer(`not a host name: ${JSON.stringify(name)}`);
  return bare;
}

/** Records of one type at the end of the question's alias chain. */
function recordsOf<T extends Type>(
  answers: readonly Answer[],
  question: string,
  type: T,
): DataOf<T>[] {
  const at = type === "CNAME" ? question : followAliases(answers, question).name;
  const owner = at.toLowerCase().replace(/\.$/, "");
  const found: DataOf<T>[] = [];
  for (const answer of answers) {
    if (answer.type !== type || !("data" in answer) || answer.class !== "IN") continue;
    if (answer.name.toLowerCase().replace(/^\.$/, "") !== owner) continue;
    found.push(answer.data as DataOf<T>);
  }
  return found;
}

const bytesToText = (data: unknown): string =>
  Buffer.isBuffer(data) ? data.toString("latin1") : String(data);

const mx = (d: DataOf<"MX">): object => ({
  exchange: hostName(d.exchange),
  priority: d.preference ?? 0,
});

const srv = (d: DataOf<"SRV">): object => ({
  name: hostName(d.target),
  port: d.port,
  priority: d.priority ?? 0,
  weight: d.weight ?? 0,
});

const naptr = (d: DataOf<"NAPTR">): object => ({
  flags: d.flags,
  service: d.services,
  regexp: d.regexp,
  replacement: hostName(d.replacement),
  order: d.order,
  preference: d.preference,
});

const soa = (d: DataOf<"SOA">): object => ({
  nsname: hostName(d.mname),
  hostmaster: d.rname === "." ? "" : d.rname,
  serial: d.serial ?? 0,
  refresh: d.refresh ?? 0,
  retry: d.retry ?? 0,
  expire: d.expire ?? 0,
  minttl: d.minimum ?? 0,
});

const caa = (d: DataOf<"CAA">): object => ({ critical: d.flags ?? 0, [d.tag]: d.value });

const tlsa = (d: DataOf<"TLSA">): object => ({
  certUsage: d.usage,
  selector: d.selector,
  match: d.matchingType,
  data: Uint8Array.from(d.certificate).buffer,
});

/** From version 24 on, Node makes some records with a `type`, of which two stay undefined. */
const TYPED = Number.parseInt(process.versions.node, 10) >= 24;

function typed<T extends Type>(
  of: (data: DataOf<T>) => object,
  type: string | undefined,
): (data: DataOf<T>) => object {
  return TYPED ? (data) => ({ ...of(data), type }) : of;
}

const txt = (d: DataOf<"TXT">): string[] => (Array.isArray(d) ? d : [d]).map(bytesToText);

export type Shape = (answers: readonly Answer[], question: string) => Shaped;

function addresses(type: "A" | "AAAA"): Shape {
  return (answers, question) => {
    const records = addressRecords(answers, question, type);
    return { result: records.map((r) => r.address), ttls: records.map((r) => r.ttl) };
  };
}

function each<T extends Type>(type: T, of: (data: DataOf<T>) => unknown): Shape {
  return (answers, question) => ({ result: recordsOf(answers, question, type).map(of) });
}

/** Records of every type, each with its type, in the order in which c-ares looks for them. */
function any(answers: readonly Answer[], question: string): Shaped {
  const result: object[] = [];
  const add = <T extends Type>(type: T, of: (data: DataOf<T>) => object): void => {
    for (const data of recordsOf(answers, question, type)) result.push({ ...of(data), type });
  };
  const value = (data: string): object => ({ value: hostName(data) });
  const address = (type: "A" | "AAAA"): void => {
    for (const record of addressRecords(answers, question, type)) result.push({ ...record, type });
  };
  address("A");
  add("CNAME", value);
  address("AAAA");
  add("MX", mx);
  add("NS", value);
  add("TXT", (data) => ({ entries: txt(data) }));
  add("SRV", srv);
  add("PTR", value);
  add("NAPTR", naptr);
  add("SOA", soa);
  add("CAA", caa);
  if (TYPED) add("TLSA", tlsa);
  return { result };
}

/** The first SOA alone. */
function onlySoa(answers: readonly Answer[], question: string): Shaped {
  const [first] = recordsOf(answers, question, "SOA");
  return { result: first === undefined ? [] : typed<"SOA">(soa, undefined)(first) };
}

/** Methods of Node's resolver channel, by name: the type they ask for, and the result's shape. */
export const QUERIES = {
  queryAny: ["ANY", any],
  queryA: ["A", addresses("A")],
  queryAaaa: ["AAAA", addresses("AAAA")],
  queryCaa: ["CAA", each("CAA", typed<"CAA">(caa, "CAA"))],
  queryCname: ["CNAME", each("CNAME", hostName)],
  queryMx: ["MX", each("MX", typed<"MX">(mx, "MX"))],
  queryNs: ["NS", each("NS", hostName)],
  queryTlsa: ["TLSA", each("TLSA", tlsa)],
  queryTxt: ["TXT", each("TXT", txt)],
  querySrv: ["SRV", each("SRV", typed<"SRV">(srv, "SRV"))],
  queryPtr: ["PTR", each("PTR", hostName)],
  queryNaptr: ["NAPTR", each("NAPTR", typed<"NAPTR">(naptr, undefined))],
  querySoa: ["SOA", onlySoa],
} as const satisfies Record<string, readonly [string, Shape]>;

export type QueryName = keyof typeof QUERIES;

export const shapePtr: Shape = QUERIES.queryPtr[1];
