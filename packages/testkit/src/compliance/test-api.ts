/**
 * What a suite needs of a test runner. It comes in, so that this package loads outside of one.
 */
import type { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

export interface TestApi {
  describe: typeof describe;
  test: typeof test;
  expect: typeof expect;
  beforeAll: typeof beforeAll;
  afterAll: typeof afterAll;
  afterEach: typeof afterEach;
}

/** Registers tests on the program that `program()` gives while they run. */
export type Cases = (api: TestApi, program: () => import("./program.ts").Program) => void;
