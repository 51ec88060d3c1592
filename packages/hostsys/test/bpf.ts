/** Runs a classic BPF program as seccomp(2) does; throws on anything that the kernel would refuse. */

export interface Call {
  arch: number;
  nr: number;
  arg0?: bigint;
}

export function runFilter(program: Buffer, { arch, nr, arg0 = 0n }: Call): number {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(nr >>> 0, 0);
  data.writeUInt32LE(arch >>> 0, 4);
  data.writeBigUInt64LE(BigInt.asUintN(64, arg0), 16);
  let accumulator = 0;
  for (let at = 0; ; at++) {
    if ((at + 1) * 8 > program.length) throw new Error("runs over the end");
    const code = program.readUInt16LE(at * 8);
    const [ifTrue, ifFalse] = [program[at * 8 + 2]!, program[at * 8 + 3]!];
    const k = program.readUInt32LE(at * 8 + 4);
    if (code === 0x20) {
      if (k % 4 !== 0 || k > 60) throw new Error("bad load");
      accumulator = data.readUInt32LE(k);
    } else if (code === 0x15) at += accumulator === k ? ifTrue : ifFalse;
    else if (code === 0x35) at += accumulator >= k ? ifTrue : ifFalse;
    else if (code === 0x06) return k;
    else throw new Error(`unknown instruction ${code}`);
  }
}
