/** /etc/resolv.conf, with the limits of resolv.conf(5). */
import { isIP } from "node:net";

export interface ResolvConf {
  nameservers: string[];
  search: string[];
  ndots: number;
  /** Milliseconds. */
  timeout: number;
  attempts: number;
  rotate: boolean;
  useTcp: boolean;
}

/** MAXNS of resolv.h. */
const MAX_NAMESERVERS = 3;
const MAX_SEARCH = 32;

/** Value of an option that has one, silently capped. */
function capped(text: string, cap: number, least: number): number {
  const value = Number.parseInt(text, 10);
  return Number.isNaN(value) ? least : Math.min(cap, Math.max(least, value));
}

export function parseResolvConf(text: string): ResolvConf {
  const conf: ResolvConf = {
    nameservers: [],
    search: [],
    ndots: 1,
    timeout: 5000,
    attempts: 2,
    rotate: false,
    useTcp: false,
  };
  for (const line of text.split("\n")) {
    const [keyword = "", ...values] = line
      .replace(/[#;].*/, "")
      .trim()
      .split(/\s+/);
    const [first = ""] = values;
    if (keyword === "nameserver") {
      if (isIP(first) !== 0 && conf.nameservers.length < MAX_NAMESERVERS) {
        conf.nameservers.push(first);
      }
    } else if (keyword === "search" || keyword === "domain") {
      // The last one wins.
      conf.search = (keyword === "domain" ? [first] : values.slice(0, MAX_SEARCH))
        .map((name) => name.replace(/\.$/, ""))
        .filter((name) => name !== "");
    } else if (keyword === "options") {
      for (const option of values) applyOption(conf, option);
    }
  }
  return conf;
}

function applyOption(conf: ResolvConf, option: string): void {
  const [name = "", value = ""] = option.split(":");
  if (name === "ndots") conf.ndots = capped(value, 15, 0);
  else if (name === "timeout") conf.timeout = capped(value, 30, 1) * 1000;
  else if (name === "attempts") conf.attempts = capped(value, 5, 1);
  else if (name === "rotate") conf.rotate = true;
  else if (name === "use-vc" || name === "usevc" || name === "tcp") conf.useTcp = true;
}

/** Names to ask for, in order: the search list is tried first for names with few dots. */
export function candidates(name: string, conf: ResolvConf): string[] {
  if (name.endsWith(".")) return [name.slice(0, -1)];
  const dots = name.split(".").length - 1;
  const searched = conf.search.map((domain) => `${name}.${domain}`);
  return dots >= conf.ndots ? [name, ...searched] : [...searched, name];
}
