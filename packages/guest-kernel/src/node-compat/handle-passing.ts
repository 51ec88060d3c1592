/**
 * Sockets cannot be handed to other processes: they are no descriptors of the host. Node would give
 * the handle to native code unseen, so `send` says no first.
 */
import type { ChildProcess } from "node:child_process";
import { codedError } from "./system-errors.ts";

type Send = (message: unknown, handle?: unknown, ...rest: unknown[]) => boolean;

function guarded(send: Send, isGuests: (handle: unknown) => boolean): Send {
  return function (this: unknown, message, handle, ...rest) {
    if (isGuests(handle)) {
      throw codedError(
        TypeError,
        "ERR_OUTSOCK_HANDLE_PASSING",
        "a guest's socket or server cannot be sent to another process",
      );
    }
    return Reflect.apply(send, this, [message, handle, ...rest]);
  };
}

/** @param isGuests tells whether a value is a socket or server of the guest */
export function installHandlePassing(
  childProcess: typeof import("node:child_process"),
  isGuests: (handle: unknown) => boolean,
): void {
  const prototype = childProcess.ChildProcess.prototype as unknown as {
    spawn(this: ChildProcess, options: unknown): unknown;
  };
  const { spawn } = prototype;
  prototype.spawn = function (options): unknown {
    const result = Reflect.apply(spawn, this, [options]) as unknown;
    const channel = this as unknown as { send?: Send };
    if (Object.hasOwn(this, "send") && channel.send) channel.send = guarded(channel.send, isGuests);
    return result;
  };
  const own = process as unknown as { send?: Send };
  if (own.send) own.send = guarded(own.send, isGuests);
}
