/**
 * What every protocol family of the guest kernel must do, through the system calls of a booted
 * kernel: Linux semantics, call by call (socket(7), tcp(7), udp(7), epoll(7), poll(2)).
 */
import { connectingCases } from "./compliance/connecting.ts";
import { datagramCases } from "./compliance/datagrams.ts";
import { eventCases } from "./compliance/events.ts";
import { optionCases } from "./compliance/options.ts";
import { type ComplianceBed, Program } from "./compliance/program.ts";
import { streamCases } from "./compliance/streams.ts";
import type { TestApi } from "./compliance/test-api.ts";

/**
 * Registers the suite under the name of the family.
 * @param boot boots a kernel with the family; once for the whole suite
 */
export function protocolFamilyCompliance(
  api: TestApi,
  family: string,
  boot: () => ComplianceBed | Promise<ComplianceBed>,
): void {
  api.describe(`protocol family ${family}`, () => {
    let bed: ComplianceBed;
    let program: Program;
    api.beforeAll(async () => {
      bed = await boot();
      program = new Program(bed);
    });
    api.afterEach(() => program.exit());
    api.afterAll(() => bed.close());
    const cases = [connectingCases, streamCases, eventCases, optionCases, datagramCases];
    for (const register of cases) register(api, () => program);
  });
}
