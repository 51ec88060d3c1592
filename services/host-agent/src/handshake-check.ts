/** Checks a handshake line: it comes from whoever can reach the agent's socket. */
import { isIP } from "node:net";
import type { PublishRequest, Request } from "@outsock/vrpc";
import { Refused } from "./region-memory.ts";

/** A DNS label (RFC 1123 2.1): guests are reached by name. */
export const GUEST_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

const PROGRAM_MAX = 512;
const REASON_MAX = 200;
const PUBLISH_MAX = 256;

type Fields = Record<string, unknown>;

function refuse(what: string): never {
  throw new Refused("EINVAL", `the request is malformed: ${what}`);
}

function integer(fields: Fields, key: string, least: number, most: number): number {
  const value = fields[key];
  if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most) {
    refuse(`${key} must be an integer from ${least} to ${most}`);
  }
  return value;
}

function optionalText(fields: Fields, key: string, most: number): string | undefined {
  const value = fields[key];
  if (value === undefined) return undefined;
  if (typeof value !== "string" || value.length > most) {
    refuse(`${key} must be text of at most ${most} characters`);
  }
  return value;
}

function object(value: unknown, what: string): Fields {
  if (typeof value !== "object" || value === null) refuse(`${what} must be an object`);
  return value as Fields;
}

/** @throws Refused */
export function checkName(name: string): string {
  if (!GUEST_NAME.test(name)) {
    throw new Refused(
      "EINVAL",
      `"${name}" is no guest name: use 1 to 63 lower-case letters, digits and hyphens`,
    );
  }
  return name;
}

function publishRequest(value: unknown): PublishRequest {
  const fields = object(value, "publish");
  const address = optionalText(fields, "address", 45) ?? "";
  if (isIP(address) === 0) refuse(`publish address "${address}" is no IP address`);
  return {
    address,
    hostPort: integer(fields, "hostPort", 0, 65535),
    guestPort: integer(fields, "guestPort", 1, 65535),
  };
}

/** @throws Refused */
export function checkRequest(line: string): Request {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    refuse("it is no JSON");
  }
  const fields = object(parsed, "it");
  switch (fields.request) {
    case "status":
      return { request: "status" };
    case "untouched":
      return {
        request: "untouched",
        container: optionalText(fields, "container", 63) ?? "",
        reason: (optionalText(fields, "reason", REASON_MAX) ?? "").replace(/[^ -~]/g, "?"),
      };
    case "dmesg":
      return { request: "dmesg", name: optionalText(fields, "name", 63) ?? "" };
    case "attach": {
      const protocol = object(fields.protocol, "protocol");
      const name = optionalText(fields, "name", 320);
      const container = optionalText(fields, "container", 63);
      const token = optionalText(fields, "token", 64);
      const address = optionalText(fields, "address", 45);
      const publish = fields.publish ?? [];
      if (!Array.isArray(publish) || publish.length > PUBLISH_MAX) refuse("publish is no list");
      return {
        request: "attach",
        protocol: {
          min: integer(protocol, "min", 1, 65535),
          max: integer(protocol, "max", 1, 65535),
        },
        ...(name === undefined ? {} : { name }),
        ...(container === undefined ? {} : { container }),
        ...(token === undefined ? {} : { token }),
        ...(address === undefined ? {} : { address }),
        pid: integer(fields, "pid", 1, 2 ** 31),
        program: (optionalText(fields, "program", 4096) ?? "").slice(0, PROGRAM_MAX),
        publish: publish.map(publishRequest),
        ...(fields.shortcut === false ? { shortcut: false } : {}),
      };
    }
    default:
      refuse("request must be attach, untouched, status or dmesg");
  }
}
