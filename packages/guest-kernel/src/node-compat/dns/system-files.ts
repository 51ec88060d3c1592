/** The guest's own /etc/hosts and /etc/resolv.conf, parsed again only when they change. */
import type { Syscalls } from "../../kernel/syscalls.ts";
import { type HostsEntry, parseHosts } from "./hosts.ts";
import { parseResolvConf, type ResolvConf } from "./resolv-conf.ts";

class Parsed<T> {
  private readonly sys: Syscalls;
  private readonly path: string;
  private readonly parse: (text: string) => T;
  private text: string | undefined;
  private value: T | undefined;

  constructor(sys: Syscalls, path: string, parse: (text: string) => T) {
    this.sys = sys;
    this.path = path;
    this.parse = parse;
  }

  get(): T {
    const read = this.sys.readText(this.path);
    const text = typeof read === "number" ? "" : read;
    if (this.value === undefined || text !== this.text) {
      this.text = text;
      this.value = this.parse(text);
    }
    return this.value;
  }
}

export class SystemFiles {
  private readonly hostsFile: Parsed<HostsEntry[]>;
  private readonly resolvConfFile: Parsed<ResolvConf>;

  constructor(sys: Syscalls) {
    this.hostsFile = new Parsed(sys, "/etc/hosts", parseHosts);
    this.resolvConfFile = new Parsed(sys, "/etc/resolv.conf", parseResolvConf);
  }

  get hosts(): readonly HostsEntry[] {
    return this.hostsFile.get();
  }

  get resolvConf(): ResolvConf {
    return this.resolvConfFile.get();
  }
}
