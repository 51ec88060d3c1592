import { describe, expect, it, vi } from "vitest";
import { OptionsEnd, parseOptions } from "../src/options.ts";

/** Exit code and what was said, of options that end the program. */
function refusal(...argv: string[]): { exitCode: number; said: string } {
  let said = "";
  const write = vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    said += text;
    return true;
  });
  try {
    parseOptions(argv);
  } catch (error) {
    if (error instanceof OptionsEnd) return { exitCode: error.exitCode, said };
    throw error;
  } finally {
    write.mockRestore();
  }
  throw new Error("the options were taken");
}

describe("options", () => {
  it("without any, everything is measured", () => {
    const plan = parseOptions([]);
    expect(plan.works.map(({ name }) => name)).toEqual([
      "stream-up",
      "stream-down",
      "ping-pong",
      "connect",
      "http-1",
      "http-32",
    ]);
    expect(plan).toMatchObject({
      paths: ["guest-outside", "guest-guest"],
      modes: ["outsourced"],
      rounds: 7,
      seconds: 0.7,
    });
  });

  it("--only chooses works, --path paths", () => {
    const plan = parseOptions(["--only", "ping-pong, http-32", "--path", "guest-guest"]);
    expect(plan.works.map(({ name }) => name)).toEqual(["ping-pong", "http-32"]);
    expect(plan.paths).toEqual(["guest-guest"]);
  });

  it("--mode native leaves the baseline alone", () => {
    expect(parseOptions(["--mode", "native"]).modes).toEqual([]);
  });

  it("--quick takes fewer and shorter samples, and yields to --rounds", () => {
    expect(parseOptions(["--quick"])).toMatchObject({ rounds: 3, seconds: 0.3 });
    expect(parseOptions(["--quick", "--rounds", "5"])).toMatchObject({ rounds: 5, seconds: 0.3 });
  });

  it.each([
    [["--only", "pingpong"], 'No work "pingpong": there are stream-up, '],
    [["--only", ""], 'No work "": there are stream-up, '],
    [["--path", "outside"], 'No path "outside": there are guest-outside, guest-guest.'],
    [["--mode", "virtual"], 'No mode "virtual": there are native, outsourced.'],
    [["--rounds", "0"], "It must be a whole number from 1 to 9999."],
    [["--rounds", "2.5"], "It must be a whole number from 1 to 9999."],
    [["--seconds", "0"], "It must be a number of seconds from 0.05 to 60."],
    [["--seconds", "1e1"], "It must be a number of seconds from 0.05 to 60."],
    [["--jsn", "file"], "unknown option '--jsn'"],
    [["ping-pong"], "too many arguments"],
  ])("%j is refused in one sentence", (argv, sentence) => {
    const { exitCode, said } = refusal(...argv);
    expect(exitCode).toBe(2);
    expect(said).toContain(sentence);
  });
});
