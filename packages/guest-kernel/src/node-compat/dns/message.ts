/**
 * DNS messages (RFC 1035, EDNS0 of RFC 6891): queries are encoded, answers are checked.
 *
 * An answer is hostile until it carries our id and our question, byte for byte; and a body that
 * does not parse, or names that no host has, make it "malformed" and nothing worse.
 */
import { domainToASCII } from "node:url";
import { type Answer, decode, encode, RECURSION_DESIRED, type RecordType } from "dns-packet";

export const DNS_PORT = 53;
/** Fits a frame on every path without fragments (DNS flag day 2020). */
const UDP_PAYLOAD_BYTES = 1232;
const HEADER_BYTES = 12;
const MAX_NAME = 253;
const MAX_LABEL = 63;
const FLAG_RESPONSE = 0x80;
const FLAG_TRUNCATED = 0x02;
const OPCODE_MASK = 0x78;

/** Response codes (RFC 1035 4.1.1). */
export const RCODE = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 };

export interface Query {
  id: number;
  bytes: Buffer;
  edns: boolean;
}

export interface Reply {
  rcode: number;
  truncated: boolean;
  answers: Answer[];
}

/** As Node converts names before it asks (ada::idna::to_ascii): lower case, Punycode. */
export function toAscii(name: string): string {
  return /^[\x20-\x7e]*$/.test(name) ? name.toLowerCase() : domainToASCII(name);
}

/** Can the name be put into a query? (RFC 1035 3.1) */
export function encodable(name: string): boolean {
  const bare = name.replace(/\.$/, "");
  if (bare === "") return true;
  if (Buffer.byteLength(bare) > MAX_NAME) return false;
  return bare.split(".").every((label) => {
    const bytes = Buffer.byteLength(label);
    return bytes > 0 && bytes <= MAX_LABEL;
  });
}

/** @param name encodable. */
export function encodeQuery(id: number, name: string, type: RecordType, edns: boolean): Query {
  const bare = name.replace(/\.$/, "");
  const opt = {
    type: "OPT",
    name: ".",
    udpPayloadSize: UDP_PAYLOAD_BYTES,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  } as const;
  const bytes = encode({
    type: "query",
    id,
    flags: RECURSION_DESIRED,
    questions: [{ type, name: bare === "" ? "." : bare, class: "IN" }],
    additionals: edns ? [{ ...opt, options: [] }] : [],
  });
  return { id, bytes, edns };
}

/** Bytes of the question section of a query of ours. */
function questionOf(query: Query): Buffer {
  let end = HEADER_BYTES;
  while (query.bytes[end] !== 0) end += query.bytes[end]! + 1;
  return query.bytes.subarray(HEADER_BYTES, end + 5);
}

/** ASCII letters alone are folded (RFC 4343); a length byte is at most 63, so no letter. */
function fold(bytes: Buffer): string {
  return bytes.toString("latin1").replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/**
 * @returns undefined when it is no answer to `query` (someone else's, or a forgery): wait on;
 * "malformed" when it is one and cannot be used
 */
export function decodeReply(bytes: Buffer, query: Query): Reply | "malformed" | undefined {
  if (bytes.length < HEADER_BYTES || bytes.readUInt16BE(0) !== query.id) return undefined;
  const flags = bytes[2]!;
  if ((flags & FLAG_RESPONSE) === 0 || (flags & OPCODE_MASK) !== 0) return undefined;
  const rcode = bytes[3]! & 0x0f;
  const truncated = (flags & FLAG_TRUNCATED) !== 0;
  const questions = bytes.readUInt16BE(4);
  // A server that did not understand the query may leave its question out (RFC 6891 7).
  if (questions === 0 && (rcode === RCODE.FORMERR || rcode === RCODE.NOTIMP)) {
    return { rcode, truncated: false, answers: [] };
  }
  const question = questionOf(query);
  const theirs = bytes.subarray(HEADER_BYTES, HEADER_BYTES + question.length);
  if (questions !== 1 || fold(theirs) !== fold(question)) return undefined;
  if (truncated) return { rcode, truncated, answers: [] };
  try {
    const { answers = [] } = decode(bytes);
    return { rcode, truncated, answers };
  } catch {
    return "malformed";
  }
}
