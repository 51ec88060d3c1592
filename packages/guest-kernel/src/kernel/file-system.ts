/** The few files that a guest's network needs: /etc/hosts, /etc/resolv.conf, /proc/net. */
import { AF_INET, SOCK_STREAM } from "@outsock/abi";
import type { SocketFile, SocketState } from "../net/protocol-family.ts";
import type { Kernel } from "./kernel.ts";
import { TextFile } from "./text-file.ts";

/** State numbers of /proc/net/tcp (include/net/tcp_states.h). */
const STATES: Record<SocketState, string> = {
  connected: "01",
  connecting: "02",
  closed: "07",
  unconnected: "07",
  listening: "0A",
};

/** Address as /proc/net shows it: 32-bit words in host order, hex (proc(5)). */
function hexAddress(domain: number, address: string, port: number): string {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const word = (bytes: number[]): string =>
    bytes
      .reverse()
      .map((b) => b.toString(16).toUpperCase().padStart(2, "0"))
      .join("");
  if (domain === AF_INET) return word(address.split(".").map(Number)) + suffix;
  const bytes = ipv6Bytes(address);
  let out = "";
  for (let i = 0; i < 16; i += 4) out += word(bytes.slice(i, i + 4));
  return out + suffix;
}

function ipv6Bytes(address: string): number[] {
  let text = address;
  const mapped = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  if (mapped !== null) {
    const [a, b, c, d] = mapped.slice(2).map(Number) as [number, number, number, number];
    text = `${mapped[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  }
  const [head = "", tail] = text.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const fill = new Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0");
  return [...left, ...fill, ...right].flatMap((group) => {
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 255];
  });
}

const HEADER =
  "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";

function socketTable(sockets: Iterable<SocketFile>, domain: number, type: number): string {
  const lines = [HEADER];
  const none = { address: domain === AF_INET ? "0.0.0.0" : "::", port: 0 };
  const hex8 = (n: number): string => n.toString(16).toUpperCase().padStart(8, "0");
  for (const socket of sockets) {
    if (socket.domain !== domain || socket.type !== type) continue;
    const local = socket.getsockname();
    const peer = socket.getpeername();
    const from = typeof local === "number" ? none : local;
    const to = typeof peer === "number" ? none : peer;
    const { send, receive } = socket.queues();
    const n = lines.length - 1;
    lines.push(
      `${String(n).padStart(4)}: ${hexAddress(domain, from.address, from.port)} ` +
        `${hexAddress(domain, to.address, to.port)} ${STATES[socket.state]} ` +
        `${hex8(send)}:${hex8(receive)} 00:00000000 00000000     0        0 ${n + 1}`,
    );
  }
  return `${lines.join("\n")}\n`;
}

export class FileSystem {
  private readonly files = new Map<string, () => string>();

  mountNetwork(kernel: Kernel): void {
    const table = (domain: number, type: number) => (): string =>
      socketTable(kernel.sockets, domain, type);
    this.files.set("/proc/net/tcp", table(AF_INET, SOCK_STREAM));
    this.files.set("/proc/net/tcp6", table(10, SOCK_STREAM));
    this.files.set("/proc/net/udp", table(AF_INET, 2));
    this.files.set("/proc/net/udp6", table(10, 2));
    this.files.set("/etc/hostname", () => `${kernel.hostname}\n`);
  }

  /** Puts a file there, or replaces it. */
  write(path: string, text: () => string): void {
    this.files.set(path, text);
  }

  has(path: string): boolean {
    return this.files.has(path);
  }

  paths(): string[] {
    return [...this.files.keys()];
  }

  open(path: string): TextFile | undefined {
    const text = this.files.get(path);
    return text === undefined ? undefined : new TextFile(text());
  }
}
