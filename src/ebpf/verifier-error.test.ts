import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assemble } from "./assembler/assemble.ts";
import * as form from "./assembler/instructions.ts";
import { explainVerifierLog } from "./verifier-error.ts";

const source = { file: "/project/program.ts", line: 12, column: 3 };
const instructions = assemble([form.loadImmediate(1, 1n << 40n), form.commented("count", form.load(8, 0, 1, 0)), form.exit()]).map(
  (instruction, index) => (index === 1 ? { ...instruction, source } : instruction),
);

const log = (reason: string): string => `0: R1=ctx() R10=fp0
0: (18) r1 = 0x10000000000            ; R1_w=0x10000000000
2: (79) r0 = *(u64 *)(r1 +0)
${reason}
verification time 31 usec
stack depth 0
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
`;

describe("a verifier's log", () => {
  test("gives reason, instruction, source and last lines", () => {
    const finding = explainVerifierLog(instructions, log("R1 invalid mem access 'scalar'"));
    expect(finding.message).toBe("R1 invalid mem access 'scalar', at `r0 = *(u64 *)(r1 + 0) ; count`");
    expect(finding.source).toEqual(source);
    expect(finding.lastLines.at(-1)).toBe("R1 invalid mem access 'scalar'");
    expect(finding.lastLines).toHaveLength(4);
    expect(finding.hint).toContain("probe_read_kernel");
  });

  /** Reasons as kernel/bpf/verifier.c of Linux 6.18 prints them. */
  test.each([
    ["R0 invalid mem access 'map_value_or_null'", "ifNonNull"],
    ["Unreleased reference id=2 alloc_insn=6", "submit or discard"],
    ["BPF_EXIT instruction in main prog would lead to reference leak", "submit or discard"],
    ["invalid access to packet, off=0 size=4, R1(id=0,off=0,r=0)", "`packet`"],
    ["R2 min value is negative, either use unsigned or 'var &= const'", "and(mask)"],
    ["R2 unbounded memory access, use 'var &= const' or 'if (var < const)'", "and(mask)"],
    ["invalid access to map value, value_size=8 off=8 size=8", "and(mask)"],
    ["program of this type cannot use helper bpf_d_path#147", "may not call"],
    ["helper call is not allowed in probe", "may not call"],
    ["cannot call GPL-restricted function from non-GPL compatible program", "license"],
    ["BPF program is too large. Processed 1000001 insn", "split"],
    ["infinite loop detected at insn 3", "repeat"],
    ["combined stack size of 2 calls is 544. Too large", "per-CPU array"],
    ["invalid read from stack R10 off -8+0 size 8", "before it is read"],
    ["unreachable insn 4", "after a `return`"],
  ])("advises on `%s`", (reason, advice) => {
    const finding = explainVerifierLog(instructions, log(reason));
    expect(finding.message).toContain(reason);
    expect(finding.hint).toContain(advice);
  });

  test("may be anything", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary", maxLength: 400 }), fc.constant(log("x".repeat(100_000)))), (text) => {
        const { message, lastLines } = explainVerifierLog(instructions, text);
        expect(message).toMatch(/^[ -~\t]{1,1000}$/);
        expect(lastLines.length).toBeLessThanOrEqual(10);
      }),
    );
    expect(explainVerifierLog([], "").message).toBe("the kernel does not say why");
  });
});
