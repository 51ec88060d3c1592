export interface Mode {
  readonly name: string;
  /** The mode whose exceptions it shares. */
  readonly like?: string;
  /** Programs that are run in it, all without. */
  readonly areas?: RegExp;
  readonly command: (program: string) => string[];
}

export interface Program {
  readonly path: string;
  readonly name: string;
  readonly args: string[];
  readonly env: Record<string, string>;
  readonly notIn: Record<string, string>;
  readonly skip?: string;
  readonly node?: number;
}

export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
  readonly signal: string | null;
}

export const PROGRAMS: string;
export const MODES: readonly Mode[];
export function findPrograms(): Program[];
export function belongs(program: Program, mode: Mode): boolean;
export function whyNot(program: Program, mode: Mode, nodeMajor: number): string | undefined;
export function runProgram(
  program: Program,
  mode: Mode,
  options?: { node?: string; env?: Record<string, string | undefined> },
): Promise<Outcome>;
