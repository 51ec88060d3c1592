import native from "node:fs";
import nativeOs from "node:os";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { patchFs, patchOs } from "../src/node-compat/files.ts";
import { TestGuest } from "./guest.ts";

const HOSTS = "127.0.0.1 localhost\n127.77.0.2 web-1\n";

function guestFs(): typeof native {
  const at = new TestGuest();
  at.kernel.files.write("/etc/hosts", () => HOSTS);
  const fs = { ...native, promises: { ...native.promises } } as typeof native;
  patchFs(at.sys, fs);
  return fs;
}

test("reads of the kernel's files give the kernel's text, in every way of reading", async () => {
  const fs = guestFs();
  expect(fs.readFileSync("/etc/hosts", "utf8")).toBe(HOSTS);
  expect(fs.readFileSync("/etc/hosts")).toEqual(Buffer.from(HOSTS));
  expect(fs.readFileSync("/etc/hostname", { encoding: "latin1" })).toBe("web-1\n");
  expect(await fs.promises.readFile("/etc/hosts", "utf8")).toBe(HOSTS);
  const readFile = promisify(fs.readFile as (path: string, done: never) => void);
  expect(await readFile("/etc/hosts")).toEqual(Buffer.from(HOSTS));
  expect(fs.readFileSync("/proc/self/net/tcp", "utf8")).toBe(
    fs.readFileSync("/proc/net/tcp", "utf8"),
  );
  expect(fs.existsSync("/etc/hosts")).toBe(true);
});

test("readFile answers in a later turn", async () => {
  const fs = guestFs();
  let answered = false;
  const done = new Promise<void>((resolve) => {
    fs.readFile("/etc/hosts", "utf8", (error, text) => {
      answered = true;
      expect([error, text]).toEqual([null, HOSTS]);
      resolve();
    });
  });
  expect(answered).toBe(false);
  await done;
});

test("other paths, other arguments and errors are Node's", async () => {
  const fs = guestFs();
  expect(fs.readFileSync("/proc/version", "utf8")).toBe(
    native.readFileSync("/proc/version", "utf8"),
  );
  expect(fs.existsSync("/nosuch")).toBe(false);
  expect(() => fs.readFileSync("/nosuch")).toThrow(/ENOENT.*\/nosuch/);
  expect(() => fs.readFileSync("/etc/hosts", "nonsense" as never)).toThrow(
    expect.objectContaining({ code: "ERR_INVALID_ARG_VALUE" }),
  );
  await expect(fs.promises.readFile("/nosuch")).rejects.toMatchObject({ code: "ENOENT" });
  expect(() => fs.readFile("/etc/hosts", undefined as never)).toThrow(
    expect.objectContaining({ code: "ERR_INVALID_ARG_TYPE" }),
  );
});

test("a file that the kernel does not have comes from the file system", () => {
  const fs = guestFs();
  expect(fs.existsSync("/etc/resolv.conf")).toBe(native.existsSync("/etc/resolv.conf"));
});

test("os tells the guest's name and interfaces, in Node's shape", () => {
  const at = new TestGuest("db-0");
  const os = { ...nativeOs } as typeof nativeOs;
  let address: string | undefined;
  patchOs(at.sys, os, () => address);
  expect(os.hostname()).toBe("db-0");
  expect(`${os.hostname as unknown as string}`).toBe("db-0");
  expect(Object.keys(os.networkInterfaces())).toEqual(["lo"]);
  address = "127.77.0.2";
  expect(os.networkInterfaces().eth0).toEqual([
    {
      address: "127.77.0.2",
      netmask: "255.255.0.0",
      family: "IPv4",
      mac: "02:00:7f:4d:00:02",
      internal: false,
      cidr: "127.77.0.2/16",
    },
  ]);
  const shape = (info: object | undefined): string[] => Object.keys(info ?? {}).sort();
  expect(shape(os.networkInterfaces().lo?.[0])).toEqual(
    shape(nativeOs.networkInterfaces().lo?.find((i) => i.family === "IPv4")),
  );
});
