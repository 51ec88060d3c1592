/** CPU profiles as `node --cpu-prof` writes them. */
import { basename } from "node:path";

interface CallFrame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
}

export interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly children?: readonly number[];
    readonly callFrame: CallFrame;
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Idle time is no work; shares are of the time that is left. */
export const IDLE = new Set(["(idle)", "(root)"]);

export function placeOf({ functionName, url, lineNumber }: CallFrame): string {
  const file = url === "" ? "" : ` ${basename(url)}:${lineNumber + 1}`;
  return `${functionName === "" ? "(anonymous)" : functionName}${file}`;
}
