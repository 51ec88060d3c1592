/** The host's resolver configuration (resolv.conf(5)), as guests are told of it. */
import { readFileSync } from "node:fs";
import { isIP, isIPv4 } from "node:net";
import type { Endpoint } from "@outsock/vrpc";
import { NAMESERVER_ADDRESS } from "./address-plan.ts";

export interface HostResolver {
  /** Name servers as a guest reaches them. */
  nameservers: string[];
  search: string[];
  /** The host's name server on its own loopback, which guests reach by NAMESERVER_ADDRESS. */
  loopbackNameserver: Endpoint | undefined;
}

const MAX_NAMESERVERS = 3;

export function parseResolvConf(text: string): HostResolver {
  const result: HostResolver = { nameservers: [], search: [], loopbackNameserver: undefined };
  for (const line of text.split("\n")) {
    const [keyword, ...values] = line
      .replace(/[#;].*$/, "")
      .trim()
      .split(/\s+/);
    if (keyword === "search" || keyword === "domain") result.search = values.slice(0, 6);
    const address = values[0];
    if (keyword !== "nameserver" || address === undefined || isIP(address) === 0) continue;
    if (result.nameservers.length === MAX_NAMESERVERS) continue;
    if (isIPv4(address) && address.startsWith("127.")) {
      if (result.loopbackNameserver !== undefined) continue;
      result.loopbackNameserver = { address, port: 53, family: 4 };
      result.nameservers.push(NAMESERVER_ADDRESS);
    } else {
      result.nameservers.push(address);
    }
  }
  return result;
}

export function readHostResolver(path = "/etc/resolv.conf"): HostResolver {
  try {
    return parseResolvConf(readFileSync(path, "utf8"));
  } catch {
    return parseResolvConf("");
  }
}
