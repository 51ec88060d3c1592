/** strace(1): wraps the system calls and prints each with its arguments and result. */
import { errnoName } from "@outsock/abi";
import type { Syscalls } from "./syscalls.ts";

const TEXT_MAX = 32;

function show(value: unknown): string {
  if (value instanceof Uint8Array) {
    const text = Buffer.from(value.subarray(0, TEXT_MAX)).toString("latin1");
    return `${JSON.stringify(text)}${value.length > TEXT_MAX ? "..." : ""}`;
  }
  if (Array.isArray(value)) return `[${value.map(show).join(", ")}]`;
  if (typeof value === "function") return "thread";
  if (typeof value === "object" && value !== null) {
    if (Object.getPrototypeOf(value) !== Object.prototype) return "ptr";
    return `{${Object.entries(value)
      .map(([key, field]) => `${key}=${show(field)}`)
      .join(", ")}}`;
  }
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

function showResult(result: unknown): string {
  if (typeof result === "number" && result < 0) return `-1 ${errnoName(-result)}`;
  return show(result);
}

/** Bytes read are shown as they are after the call. */
export function traced(syscalls: Syscalls, print: (line: string) => void): Syscalls {
  return new Proxy(syscalls, {
    get(target, name) {
      const call: unknown = Reflect.get(target, name);
      if (typeof call !== "function") return call;
      return (...args: unknown[]): unknown => {
        const result: unknown = Reflect.apply(call, target, args);
        const shown = args.map((arg) =>
          name === "read" && arg instanceof Uint8Array && typeof result === "number"
            ? show(arg.subarray(0, Math.max(0, result)))
            : show(arg),
        );
        print(`${String(name)}(${shown.join(", ")}) = ${showResult(result)}`);
        return result;
      };
    },
  });
}
