/** Errors in a guest are those of native Node: code, errno, syscall, address, port, message. */
import { describe, expect, test } from "vitest";
import { BLACK_HOLE, networkNamespace } from "./namespace.ts";
import { BUILT, program, type RunOptions, sandbox, whyNotRoot } from "./sandbox.ts";

type Found = Record<string, Record<string, unknown> | undefined>;

/** The same program natively and as a guest; what each printed. */
async function both(options: RunOptions): Promise<{ native: Found; guest: Found }> {
  const box = sandbox();
  await box.agent(options.prefix === undefined ? {} : { prefix: options.prefix });
  const path = program("errors.cjs");
  const [native, guest] = await Promise.all([
    box.native(path, options).ended,
    box.guest(path, options).ended,
  ]);
  expect(native).toMatchObject({ code: 0, stderr: "" });
  expect(guest).toMatchObject({ code: 0, stderr: "" });
  return { native: JSON.parse(native.stdout), guest: JSON.parse(guest.stdout) };
}

describe.skipIf(!BUILT)("errors as natively", () => {
  test("each error that a program can meet on this machine: the same record in a guest", async () => {
    const { native, guest } = await both({});
    expect(guest).toEqual(native);
    // The program did provoke what it is for.
    expect(native).toMatchObject({
      refused: { code: "ECONNREFUSED", errno: -111, syscall: "connect", address: "127.0.0.1" },
      inUse: { code: "EADDRINUSE", errno: -98, syscall: "listen" },
      notAvailable: { code: "EADDRNOTAVAIL", errno: -99, syscall: "listen" },
      reset: { code: "ECONNRESET", errno: -104, syscall: "read" },
      writeAfterFin: { code: "EPIPE" },
      datagramTooLong: { code: "EMSGSIZE", errno: -90, syscall: "send" },
    });
  }, 60_000);

  const reason = whyNotRoot("unshare", "nsenter", "ip");
  test.skipIf(reason !== undefined)(
    `a connect that nobody answers, and one without a route: ETIMEDOUT and ENETUNREACH${reason ? ` (${reason})` : ""}`,
    async () => {
      const { prefix } = await networkNamespace({ loopback: true, blackHole: true });
      const { native, guest } = await both({
        prefix,
        args: ["timeOut", "unreachable", "unreachable6", "unreachableBoth"],
        env: { BLACK_HOLE },
      });
      expect(guest).toEqual(native);
      expect(native).toMatchObject({
        timeOut: {
          code: "ETIMEDOUT",
          errno: -110,
          syscall: "connect",
          address: BLACK_HOLE,
          port: 9,
        },
        unreachable: { code: "ENETUNREACH", errno: -101, syscall: "connect", port: 9 },
      });
    },
    60_000,
  );
});
