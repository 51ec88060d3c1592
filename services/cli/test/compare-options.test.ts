import { Command, CommanderError } from "commander";
import { describe, expect, it } from "vitest";
import { compareCommand } from "../src/compare/index.ts";
import {
  type CompareArguments,
  commandLine,
  compareOptions,
  OptionError,
} from "../src/compare/options.ts";

describe("options", () => {
  it("defaults end within 5 minutes, quick within 1", () => {
    for (const [quick, budgetSeconds] of [
      [false, 300],
      [true, 60],
    ] as const) {
      const options = compareOptions({ quick });
      const { repeats, seconds, warmUpSeconds, modes } = options;
      expect(options).toMatchObject({ budgetSeconds, mix: "bidding", clients: 32, think: 0 });
      expect(repeats).toBeGreaterThanOrEqual(3);
      expect(modes.length * repeats * (seconds + warmUpSeconds + 2)).toBeLessThan(budgetSeconds);
    }
  });

  it("a length given by the user has no budget", () => {
    expect(compareOptions({ seconds: "60" }).budgetSeconds).toBeUndefined();
    expect(compareOptions({ repeats: "9" }).budgetSeconds).toBeUndefined();
  });

  it("the command line gives the same options again", () => {
    expect(commandLine(compareOptions({ quick: true, clients: "8", mix: "browsing" }))).toBe(
      "outsock compare --quick --modes native,outsourced --repeats 4 --clients 8 --seconds 2.5 --mix browsing --scale 1 --seed 1 --think 0",
    );
  });

  it("a light database is small, and the command line says it by its name", () => {
    const options = compareOptions({ database: "light" });
    expect(options).toMatchObject({ database: "light", scale: 0.1 });
    expect(commandLine(options)).toContain("--database light");
    expect(commandLine(options)).not.toContain("--scale");
    expect(compareOptions({})).toMatchObject({ database: "standard", scale: 1 });
  });

  it("profiles are of native tiers alone", () => {
    expect(compareOptions({ profile: "there" })).toMatchObject({
      profile: "there",
      modes: ["native"],
    });
    expect(compareOptions({})).not.toHaveProperty("profile");
  });

  it.each<[CompareArguments, string]>([
    [{ repeats: "0" }, '--repeats must be a whole number from 1 to 100, not "0".'],
    [{ repeats: "2.5" }, '--repeats must be a whole number from 1 to 100, not "2.5".'],
    [{ clients: "many" }, '--clients must be a whole number from 1 to 10000, not "many".'],
    [{ seconds: "" }, '--seconds must be a number from 0.5 to 3600, not "".'],
    [{ think: "-1" }, '--think must be a number from 0 to 100, not "-1".'],
    [{ mix: "selling" }, '--mix must be bidding or browsing, not "selling".'],
    [{ modes: "native,vm" }, '--modes knows native and outsourced, not "vm".'],
    [{ modes: "native,native" }, '--modes names a mode twice: "native,native".'],
    [{ out: " " }, "--out must name a directory."],
    [{ database: "none" }, '--database must be standard or light, not "none".'],
    [
      { database: "light", scale: "1" },
      "--database light has a scale of its own (0.1): leave out --scale.",
    ],
    [{ profile: "" }, "--profile must name a directory."],
    [
      { profile: "x", modes: "outsourced" },
      '--profile takes native tiers alone, not "outsourced": leave out --modes.',
    ],
  ])("%j is refused in one sentence", (given, sentence) => {
    expect(() => compareOptions(given)).toThrow(new OptionError(sentence));
  });

  it("the command ends with exit code 2", async () => {
    const said: string[] = [];
    const root = new Command("outsock").exitOverride();
    const command = compareCommand();
    root.addCommand(command);
    command.exitOverride().configureOutput({ writeErr: (text) => said.push(text) });
    const error = await root.parseAsync(["node", "outsock", "compare", "--clients", "0"]).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(CommanderError);
    expect((error as CommanderError).exitCode).toBe(2);
    expect(said[0]).toContain("outsock compare: --clients must be a whole number");
  });
});
