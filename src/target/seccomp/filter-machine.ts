/** Runs a filter as the kernel does, to test what it answers without installing it. */
import { CODE, type FilterInstruction, OFFSET, SECCOMP_DATA_BYTES } from "./filter-instruction.ts";

export interface SystemCall {
  /** Unsigned 32-bit. */
  readonly number: number;
  /** AUDIT_ARCH_*. */
  readonly architecture: number;
  /** Up to six, unsigned 64-bit. */
  readonly args: readonly bigint[];
}

/** `struct seccomp_data` of a call, little-endian. */
export function seccompData({ number, architecture, args }: SystemCall): Uint8Array {
  const bytes = new Uint8Array(SECCOMP_DATA_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(OFFSET.number, number >>> 0, true);
  view.setUint32(OFFSET.architecture, architecture >>> 0, true);
  for (const [index, value] of args.entries()) view.setBigUint64(OFFSET.low(index), value, true);
  return bytes;
}

/**
 * What the filter returns for this data (SECCOMP_RET_* and its data, unsigned). Throws RangeError for what the kernel would not load:
 * an unknown code, a jump beyond the end, a load outside of the data, no return.
 */
export function runFilter(program: readonly FilterInstruction[], data: Uint8Array): number {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let accumulator = 0;
  for (let at = 0; at < program.length; at++) {
    const { code, jt, jf, k } = program[at] ?? { code: -1, jt: 0, jf: 0, k: 0 };
    switch (code) {
      case CODE.load:
        accumulator = view.getUint32(k, true);
        break;
      case CODE.and:
        accumulator = (accumulator & k) >>> 0;
        break;
      case CODE.jump:
        at += k;
        break;
      case CODE.jumpEqual:
        at += accumulator === k ? jt : jf;
        break;
      case CODE.jumpGreater:
        at += accumulator > k ? jt : jf;
        break;
      case CODE.jumpGreaterOrEqual:
        at += accumulator >= k ? jt : jf;
        break;
      case CODE.return:
        return k;
      default:
        throw new RangeError(`unknown instruction ${code} at ${at}`);
    }
  }
  throw new RangeError("the filter ends without a return");
}
