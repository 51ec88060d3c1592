/** A scripted DNS server: on the loopback family for guests, on a real socket for native Node. */
import dgram from "node:dgram";
import type { AddressInfo } from "node:net";
import { AF_INET, SOCK_DGRAM, SOCK_STREAM } from "@outsock/abi";
import { type Answer, decode, encode } from "dns-packet";
import type { LoopbackDatagram, LoopbackFamily, LoopbackStream } from "./loopback-family.ts";

export interface Asked {
  name: string;
  type: string;
  id: number;
  port: number;
  tcp: boolean;
  edns: boolean;
  bytes: Buffer;
}

/** What to say: answers, a response code, raw bytes (one or more), or nothing. */
export type Says = Answer[] | number | { truncated: true } | Buffer[] | undefined;
export type Script = (asked: Asked) => Says;

const isRaw = (says: Answer[] | Buffer[]): says is Buffer[] => Buffer.isBuffer(says[0]);

export function response(asked: Asked, says: Exclude<Says, undefined>): Buffer[] {
  if (Array.isArray(says) && isRaw(says)) return says;
  const rcode = typeof says === "number" ? says : 0;
  const truncated = typeof says === "object" && "truncated" in says ? 0x200 : 0;
  const questions = [{ name: asked.name, type: asked.type as "A" }];
  const answers = Array.isArray(says) ? says : [];
  const flags = 0x180 | rcode | truncated;
  return [encode({ type: "response", id: asked.id, flags, questions, answers })];
}

function ask(bytes: Buffer, port: number, tcp: boolean): Asked {
  const { id = 0, questions = [], additionals = [] } = decode(bytes);
  const { name, type } = questions[0]!;
  const edns = additionals.some((a) => a.type === "OPT");
  return { name, type, id, port, tcp, edns, bytes };
}

export class DnsServer {
  readonly asked: Asked[] = [];
  script: Script;

  constructor(network: LoopbackFamily, address: string, script: Script, port = 53) {
    this.script = script;
    const at = { family: AF_INET, address, port };
    const udp = network.socket(AF_INET, SOCK_DGRAM) as LoopbackDatagram;
    udp.bind(at);
    udp.watch({
      changed: () => {
        for (let got = udp.recvfrom(); typeof got !== "number"; got = udp.recvfrom()) {
          for (const bytes of this.reply(got.data, got.from.port, false)) {
            udp.sendto(bytes, got.from);
          }
        }
      },
    });
    const listener = network.socket(AF_INET, SOCK_STREAM) as LoopbackStream;
    listener.bind(at);
    listener.listen();
    listener.watch({ changed: () => this.accept(listener) });
  }

  private reply(bytes: Buffer, port: number, tcp: boolean): Buffer[] {
    const asked = ask(bytes, port, tcp);
    this.asked.push(asked);
    const says = this.script(asked);
    return says === undefined ? [] : response(asked, says);
  }

  private accept(listener: LoopbackStream): void {
    const connection = listener.accept() as LoopbackStream;
    let received = Buffer.alloc(0);
    const read = (): void => {
      const chunk = Buffer.alloc(4096);
      const n = connection.read(chunk);
      if (n <= 0) return;
      received = Buffer.concat([received, chunk.subarray(0, n)]);
      if (received.length < 2 + received.readUInt16BE(0)) return;
      for (const bytes of this.reply(received.subarray(2), 0, true)) {
        const length = Buffer.alloc(2);
        length.writeUInt16BE(bytes.length);
        // In two pieces, as a network may.
        connection.write(Buffer.concat([length, bytes.subarray(0, 3)]));
        connection.write(bytes.subarray(3));
      }
    };
    connection.watch({ changed: read });
    read();
  }
}

/** The same script on a real socket. @returns its address, and what closes it */
export async function nativeServer(script: Script): Promise<[string, () => void]> {
  const socket = dgram.createSocket("udp4");
  socket.on("message", (bytes, from) => {
    const asked = ask(bytes, from.port, false);
    const says = script(asked);
    if (says === undefined) return;
    for (const answer of response(asked, says)) socket.send(answer, from.port, from.address);
  });
  await new Promise<void>((resolve) => {
    socket.bind(0, "127.0.0.1", resolve);
  });
  return [`127.0.0.1:${(socket.address() as AddressInfo).port}`, () => socket.close()];
}
