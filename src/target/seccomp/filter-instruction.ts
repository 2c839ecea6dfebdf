/**
 * Classic BPF as seccomp(2) runs it: 32-bit words of `struct seccomp_data`, an accumulator, forward jumps
 * (Linux: Documentation/networking/filter.rst, include/uapi/linux/seccomp.h).
 */
import type { Architecture } from "../../linux/syscall-numbers.ts";

/** One instruction; `jt` and `jf` are how many instructions are skipped, 0 to 255. `k` is unsigned 32-bit. */
export interface FilterInstruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

export const CODE = {
  /** A = the word at offset k. */
  load: 0x20,
  and: 0x54,
  jump: 0x05,
  jumpEqual: 0x15,
  jumpGreater: 0x25,
  jumpGreaterOrEqual: 0x35,
  return: 0x06,
} as const;

/** The kernel's limit (BPF_MAXINSNS). */
export const MAX_INSTRUCTIONS = 4096;

/** Offsets in `struct seccomp_data`: nr, arch, instruction_pointer, args[6]. Both architectures are little-endian. */
export const OFFSET = {
  number: 0,
  architecture: 4,
  low: (argument: number): number => 16 + 8 * argument,
  high: (argument: number): number => 20 + 8 * argument,
} as const;

export const SECCOMP_DATA_BYTES = 64;

/** AUDIT_ARCH_* of include/uapi/linux/audit.h. */
export const AUDIT_ARCHITECTURE: { readonly [A in Architecture]: number } = { x64: 0xc000_003e, arm64: 0xc000_00b7 };

/** Calls of the x32 ABI have this bit; they pass as x86-64, with other numbers. */
export const X32_BIT = 0x4000_0000;

/** What a filter answers. */
export type FilterAction =
  | { readonly kind: "allow" }
  /** Allowed, and written to the kernel's log. */
  | { readonly kind: "log" }
  | { readonly kind: "errno"; readonly errno: number }
  /** A listener in user space decides. */
  | { readonly kind: "notify" }
  | { readonly kind: "kill" };

/** SECCOMP_RET_* with its data. Throws RangeError for an errno outside 1 to 4095. */
export function returnValue(action: FilterAction): number {
  switch (action.kind) {
    case "allow":
      return 0x7fff_0000;
    case "log":
      return 0x7ffc_0000;
    case "errno":
      if (!Number.isInteger(action.errno) || action.errno < 1 || action.errno > 4095)
        throw new RangeError(`expected an errno from 1 to 4095, got ${action.errno}`);
      return 0x0005_0000 | action.errno;
    case "notify":
      return 0x7fc0_0000;
    case "kill":
      return 0x8000_0000;
    default:
      return action satisfies never;
  }
}

/** The `struct sock_filter` array, little-endian. */
export function encodeFilter(program: readonly FilterInstruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [index, { code, jt, jf, k }] of program.entries()) {
    view.setUint16(index * 8, code, true);
    view.setUint8(index * 8 + 2, jt);
    view.setUint8(index * 8 + 3, jf);
    view.setUint32(index * 8 + 4, k, true);
  }
  return bytes;
}

/** One line per instruction, in the notation of `bpfc` and libseccomp's tools. */
export function listFilter(program: readonly FilterInstruction[]): readonly string[] {
  const hex = (k: number): string => `0x${k.toString(16)}`;
  return program.map(({ code, jt, jf, k }, index) => {
    const jump = (operator: string): string => `if (A ${operator} ${hex(k)}) goto ${index + 1 + jt} else goto ${index + 1 + jf}`;
    const texts: { readonly [code: number]: string } = {
      [CODE.load]: `A = data[${k}]`,
      [CODE.and]: `A &= ${hex(k)}`,
      [CODE.jump]: `goto ${index + 1 + k}`,
      [CODE.jumpEqual]: jump("=="),
      [CODE.jumpGreater]: jump(">"),
      [CODE.jumpGreaterOrEqual]: jump(">="),
      [CODE.return]: `return ${hex(k)}`,
    };
    return `${index}: ${texts[code] ?? `code ${hex(code)}`}`;
  });
}
