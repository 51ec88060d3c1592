/** The kernel's connection under a shortcut is cut by a rule of nftables: the shortcut ends too. */
import { describe, expect, test } from "vitest";
import { networkNamespace } from "./namespace.ts";
import { guestPuppet } from "./puppet.ts";
import { BUILT, sandbox, whyNotRoot } from "./sandbox.ts";
import { lifelinesOut } from "./shortcut.ts";

/** Keepalive asks after 10 s, and a second's look later it is told; the rest is for busy machines. */
const WITHIN = 30_000;
const why = whyNotRoot("unshare", "nsenter", "ip", "nft");

describe.skipIf(!BUILT || why !== undefined)(
  `kernel connection cut${why ? ` (${why})` : ""}`,
  () => {
    test("what it carries is answered with a reset: both guests get ECONNRESET", async () => {
      const { prefix } = await networkNamespace({ loopback: true });
      const box = sandbox();
      await box.agent({ prefix });
      const server = await guestPuppet(box, { prefix, options: ["--name", "server"] });
      const client = await guestPuppet(box, { prefix });
      await server.listen("s", 8080);
      await client.connect("c", "server", 8080);
      await lifelinesOut(server, client);
      const rules =
        "add table inet cut; add chain inet cut out { type filter hook output priority 0; }; " +
        "add rule inet cut out tcp dport 8080 reject with tcp reset";
      const outcome = await box.start("nft", [rules], { prefix }).ended;
      expect(outcome).toMatchObject({ code: 0, stderr: "" });
      const reset = { code: "ECONNRESET", errno: -104, syscall: "read" };
      expect(await client.seen("c", "error", WITHIN)).toMatchObject(reset);
      expect(await server.seen("s.0", "error", WITHIN)).toMatchObject(reset);
    }, 90_000);
  },
);
