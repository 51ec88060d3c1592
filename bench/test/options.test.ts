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
  const names = (...argv: string[]) => parseOptions(argv).works.map(({ name }) => name);

  it("without any, everything is measured", () => {
    expect(names()).toEqual([
      "stream-up",
      "stream-down",
      "messages-64",
      "messages-1k",
      "messages-16k",
      "messages-64k",
      "messages-256k",
      "messages-1m",
      "ping-pong",
      "connect",
      "http-1",
      "http-32",
      "http-256",
      "http-1000",
      "flood",
    ]);
    expect(parseOptions([])).toMatchObject({
      paths: ["guest-outside", "guest-guest"],
      modes: ["native", "native-unix", "outsourced"],
      rounds: 7,
      seconds: 0.7,
      workers: undefined,
    });
  });

  it("--only chooses works, --path paths", () => {
    const plan = parseOptions(["--only", "ping-pong, http-32", "--path", "guest-guest"]);
    expect(plan.works.map(({ name }) => name)).toEqual(["ping-pong", "http-32"]);
    expect(plan.paths).toEqual(["guest-guest"]);
  });

  it("--only takes a ladder whole, or a step that is not in it", () => {
    expect(names("--only", "http,ping-pong", "--connections", "8,2")).toEqual([
      "ping-pong",
      "http-2",
      "http-8",
    ]);
    expect(names("--only", "http-7,messages-2M,messages-100")).toEqual([
      "http-7",
      "messages-2m",
      "messages-100",
    ]);
  });

  it("a work that is named twice is measured once", () => {
    expect(names("--only", "http-32,http", "--connections", "32,1")).toEqual(["http-1", "http-32"]);
  });

  it("--sizes are bytes, with k and m for 1024 and its square", () => {
    const { works } = parseOptions(["--only", "messages", "--sizes", "1m,64,16K"]);
    expect(works.map(({ program }) => program)).toEqual([
      ["stream-up", 64],
      ["stream-up", 16_384],
      ["stream-up", 1_048_576],
    ]);
  });

  it("--mode native leaves the baseline alone", () => {
    expect(parseOptions(["--mode", "native"]).modes).toEqual(["native"]);
  });

  it("--quick takes fewer and shorter samples, and yields to --rounds", () => {
    expect(parseOptions(["--quick"])).toMatchObject({ rounds: 3, seconds: 0.3 });
    expect(parseOptions(["--quick", "--rounds", "5"])).toMatchObject({ rounds: 5, seconds: 0.3 });
  });

  it("--workers is told to the agents", () => {
    expect(parseOptions(["--workers", "2"]).workers).toBe(2);
  });

  it.each([
    [["--only", "pingpong"], 'No work "pingpong": there are stream-up, '],
    [["--only", ""], 'No work "": there are stream-up, '],
    [["--path", "outside"], 'No path "outside": there are guest-outside, guest-guest.'],
    [["--only", "http-0"], 'No work "http-0": there are stream-up, '],
    [["--only", "messages-9g"], "messages-SIZE, http-CONNECTIONS."],
    [["--only", "toString"], 'No work "toString"'],
    [["--mode", "virtual"], 'No mode "virtual": there are native, native-unix, outsourced.'],
    [["--sizes", "64,2x"], '"2x": sizes are bytes from 1 to 16m, such as 64, 16k or 1m.'],
    [["--sizes", "17m"], '"17m": sizes are bytes from 1 to 16m'],
    [["--connections", "1,0"], '"0": connections are a whole number from 1 to 10000.'],
    [["--workers", "0"], "It must be a whole number from 1 to 256."],
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
