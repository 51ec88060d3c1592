/** Shortcuts, and the death of the agent, of a guest, of the kernel's connection under them. */
import { OP, PATH } from "@outsock/abi";
import { closeFd, setLinger } from "@outsock/hostsys";
import { describe, expect, onTestFinished, test } from "vitest";
import { HandGuest, HONEST_2 } from "./hand-guest.ts";
import { HandMember } from "./hand-pair.ts";
import { establishedSockets } from "./proc.ts";
import type { TestProcess } from "./process.ts";
import { guestPuppet, type Puppet } from "./puppet.ts";
import { BUILT, program, type Sandbox, sandbox, whyNotRoot } from "./sandbox.ts";
import { pathsOf, twoGuests } from "./shortcut.ts";
import { until } from "./wait.ts";

/** "At once": far below every timeout of the product, far above a busy machine's hiccup. */
const AT_ONCE = 3_000;
/** The agent looks at lifelines once a second. */
const LIFELINE_SEEN = 10_000;
const SHORTCUT = "shortcut";

async function killed(agent: TestProcess): Promise<void> {
  agent.kill("SIGKILL");
  await agent.ended;
}

/** `one` has a connection to `two` that echoes. */
async function connected(box: Sandbox): Promise<{ agent: TestProcess; one: Puppet; two: Puppet }> {
  const agent = await box.agent();
  const { one, two } = await twoGuests(box);
  await two.listen("server", 3000);
  await one.connect("client", "two", 3000);
  expect(await pathsOf(box, "one")).toEqual({ [SHORTCUT]: 1 });
  return { agent, one, two };
}

async function echoes(puppet: Puppet, id: string, text: string): Promise<void> {
  puppet.do({ do: "write", id, text });
  await until(`the echo of ${text}`, () => puppet.events(id).some((event) => event.text === text));
}

/** The guests have their ends of the kernel's connection. */
async function lifelinesOut(...puppets: Puppet[]): Promise<void> {
  for (const { process } of puppets) {
    await until("a lifeline", () => establishedSockets(process.pid) > 0);
  }
}

describe.skipIf(!BUILT)("agent killed by SIGKILL", () => {
  test("shortcuts go on both ways; new connections fail with ENETDOWN; then a guest is killed", async () => {
    const box = sandbox();
    const { agent, one, two } = await connected(box);
    await killed(agent);
    for (let n = 0; n < 20; n++) await echoes(one, "client", `after the agent ${n}`);
    one.do({ do: "connect", id: "new", host: "127.0.0.1", port: 3000 });
    expect(await one.seen("new", "error", AT_ONCE)).toMatchObject({ code: "ENETDOWN" });
    two.process.kill("SIGKILL");
    expect(await one.seen("client", "error", AT_ONCE)).toMatchObject({
      code: "ECONNRESET",
      errno: -104,
      syscall: "read",
    });
  }, 60_000);

  test("guests end as the kernel's connections would while no agent is there", async () => {
    const box = sandbox();
    const { agent, one, two } = await connected(box);
    await one.connect("second", "two", 3000);
    await two.seen("server", "connection");
    await killed(agent);
    one.do({ do: "end", id: "client", text: "last words" });
    await two.seen("server.0", "end", AT_ONCE);
    expect(await one.seen("client", "close", AT_ONCE)).toMatchObject({ hadError: false });
    one.do({ do: "reset", id: "second" });
    expect(await two.seen("server.1", "error", AT_ONCE)).toMatchObject({ code: "ECONNRESET" });
  }, 60_000);

  test("agent started again: shortcuts are restored, new ones are made beside them", async () => {
    const box = sandbox();
    const { agent, one, two } = await connected(box);
    await killed(agent);
    await echoes(one, "client", "between agents");
    await box.agent();
    await until("both attach again", async () => (await box.status())?.guests.length === 2);
    await until(
      "the shortcut is restored",
      async () => (await pathsOf(box, "one"))[SHORTCUT] === 1,
    );
    await echoes(one, "client", "with the new agent");
    await one.connect("new", "two", 3000);
    await echoes(one, "new", "a new one");
    expect(await pathsOf(box, "one")).toEqual({ [SHORTCUT]: 2 });
    one.do({ do: "end", id: "client" });
    expect(await one.seen("client", "close")).toMatchObject({ hadError: false });
    expect(await two.seen("server.0", "close")).toMatchObject({ hadError: false });
    await echoes(one, "new", "not hurt");
  }, 60_000);

  test("the kernel's connection is reset after the agent came back: so is the shortcut", async () => {
    const box = sandbox();
    const agent = await box.agent();
    const puppet = await guestPuppet(box, { options: ["--name", "honest"] });
    await puppet.listen("server", 3000, { silent: true });
    const { address } = (await box.status())!.guests[0]!;
    const hand = new HandMember(await HandGuest.attach(box.socket, { ...HONEST_2, name: "hand" }));
    onTestFinished(() => hand.close());
    const { way } = await hand.connect(1, address, 3000);
    expect(way.path).toBe(PATH.SHORTCUT);
    await puppet.seen("server", "connection");
    await hand.message(OP.LIFELINES);
    const lifeline = hand.lifelines.get(1)!;
    await lifelinesOut(puppet);
    await killed(agent);
    await box.agent();
    await until("it is restored", async () => (await pathsOf(box, "honest"))[SHORTCUT] === 1);
    // The only one who has this end: what it does is what the kernel does.
    hand.lifelines.delete(1);
    setLinger(lifeline, true, 0);
    closeFd(lifeline);
    const error = await puppet.seen("server.0", "error", LIFELINE_SEEN);
    expect(error).toMatchObject({ code: "ECONNRESET", syscall: "read" });
  }, 60_000);

  const why = whyNotRoot("ss");
  test.skipIf(why !== undefined)(
    `ss -K of the kernel's connection ends both ends of the shortcut${why ? ` (${why})` : ""}`,
    async ({ skip }) => {
      const box = sandbox();
      const { one, two } = await connected(box);
      await lifelinesOut(one, two);
      one.do({ do: "info", id: "client" });
      const { localAddress, localPort } = await one.seen("client", "info");
      const filter = ["src", `${localAddress}`, "sport", "=", `:${localPort}`];
      const words = ["-K", "-t", "-n", "-H", "state", "established", ...filter];
      const { stdout, stderr } = await box.start("ss", words).ended;
      if (stdout.trim() === "") skip(`this kernel ends no sockets (SOCK_DESTROY): ${stderr}`);
      await one.seen("client", "error", LIFELINE_SEEN);
      await two.seen("server.0", "error", LIFELINE_SEEN);
    },
    60_000,
  );
});

describe.skipIf(!BUILT)("a guest ends", () => {
  test("by itself: the other one sees the end of the stream, no error", async () => {
    const box = sandbox();
    const { one, two } = await connected(box);
    one.do({ do: "write", id: "client", text: "read this" });
    one.do({ do: "exit", code: 0 });
    expect((await one.process.ended).code).toBe(0);
    expect(await two.seen("server.0", "end", AT_ONCE)).toMatchObject({ received: 9 });
    expect(await two.seen("server.0", "close")).toMatchObject({ hadError: false });
  }, 60_000);

  test("killed: what it wrote is read, then ECONNRESET", async () => {
    const box = sandbox();
    await box.agent();
    const { one, two } = await twoGuests(box);
    await two.listen("server", 3000, { paused: true });
    await one.connect("client", "two", 3000);
    one.do({ do: "write", id: "client", text: "unread" });
    one.do({ do: "info", id: "client" });
    expect(await one.seen("client", "info")).toMatchObject({ bytesWritten: 6 });
    one.process.kill("SIGKILL");
    await one.process.ended;
    two.do({ do: "resume", id: "server.0" });
    expect(await two.seen("server.0", "error", AT_ONCE)).toMatchObject({ code: "ECONNRESET" });
    two.do({ do: "info", id: "server.0" });
    const info = await until("its counts", () =>
      two.events("server.0").find(({ event }) => event === "info"),
    );
    expect(info).toMatchObject({ bytesRead: 6 });
  }, 60_000);

  test("killed with unread bytes: ECONNRESET", async () => {
    const box = sandbox();
    await box.agent();
    const { one, two } = await twoGuests(box);
    await two.listen("server", 3000, { paused: true });
    await one.connect("client", "two", 3000);
    one.do({ do: "write", id: "client", text: "unread" });
    await two.seen("server", "connection");
    two.process.kill("SIGKILL");
    expect(await one.seen("client", "error", AT_ONCE)).toMatchObject({ code: "ECONNRESET" });
  }, 60_000);

  test("its listener is closed while a peer connects: nobody waits for ever", async () => {
    const box = sandbox();
    await box.agent();
    const { one, two } = await twoGuests(box);
    for (let n = 0; n < 20; n++) {
      await two.listen(`server${n}`, 4000 + n);
      for (let k = 0; k < 5; k++) {
        one.do({ do: "connect", id: `${n}-${k}`, host: "two", port: 4000 + n });
      }
      two.do({ do: "close", id: `server${n}` });
      for (let k = 0; k < 5; k++) {
        await until(`${n}-${k} is connected or told`, () =>
          one.events(`${n}-${k}`).some(({ event }) => ["connect", "error"].includes(event)),
        );
      }
    }
    two.process.kill("SIGKILL");
    for (const { id } of one.events().filter(({ event }) => event === "connect")) {
      await one.seen(id, "close", AT_ONCE);
    }
  }, 120_000);
});

describe.skipIf(!BUILT)("agents that come and go", () => {
  test("while connections are opened and closed: each of them ends", async () => {
    const box = sandbox();
    const seed = Number(process.env.OUTSOCK_STRESS_SEED ?? 20261129);
    let agent = await box.agent();
    const guests = ["left", "right"].map((name) =>
      box.guest(program("churn.cjs"), {
        options: ["--name", name],
        args: [name === "left" ? "right" : "left", String(seed)],
      }),
    );
    for (const guest of guests) await guest.printed(/listening/);
    const opened = () => guests.map((guest) => guest.records().length);
    for (let n = 0; n < 4; n++) {
      const before = opened();
      await until("connections are made", () => opened().every((now, i) => now > before[i]! + 2), {
        timeout: 30_000,
      });
      await killed(agent);
      agent = await box.agent();
    }
    for (const guest of guests) guest.say("stop");
    for (const guest of guests) {
      const { code } = await guest.ended;
      expect(code, guest.stdout + guest.stderr).toBe(0);
      const last = guest.records<{ event: string; open: number; wrong: number }>().at(-1)!;
      expect(last).toMatchObject({ event: "stopped", open: 0, wrong: 0 });
    }
  }, 120_000);
});
