/** `--publish [ADDRESS:]HOSTPORT:GUESTPORT` */
import { isIP } from "node:net";
import type { PublishRequest } from "@outsock/vrpc";
import { EXIT, Failure } from "./failure.ts";

function port(text: string, least: number): number | undefined {
  const n = Number(text);
  return /^\d{1,5}$/.test(text) && n >= least && n <= 65535 ? n : undefined;
}

/** @throws Failure */
export function parsePublish(text: string): PublishRequest {
  const match = /^(?:(\[[^\]]+\]|[^:]+):)?(\d+):(\d+)$/.exec(text);
  const address = (match?.[1] ?? "127.0.0.1").replace(/^\[|\]$/g, "");
  const hostPort = port(match?.[2] ?? "", 0);
  const guestPort = port(match?.[3] ?? "", 1);
  if (hostPort === undefined || guestPort === undefined || isIP(address) === 0) {
    throw new Failure(
      `--publish must be [ADDRESS:]HOSTPORT:GUESTPORT, as 8080:80 or 0.0.0.0:8080:80, not "${text}"`,
      EXIT.USAGE,
    );
  }
  return { address, hostPort, guestPort };
}
