/** What the kernel's verifier says about a program, in terms of the TypeScript that generated it. */
import { type Instruction, type SourcePosition, slotStarts } from "./instruction.ts";
import { instructionText } from "./listing.ts";

export interface VerifierFinding {
  /** One line: what is refused, and the expression that it is about where that is known. */
  readonly message: string;
  /** Where our own source says what is refused. */
  readonly source: SourcePosition | undefined;
  /** The instruction that is refused. */
  readonly instruction: Instruction | undefined;
  /** The last lines of the log, without the statistics. */
  readonly lastLines: readonly string[];
  /** What to do, for refusals that are known. */
  readonly hint: string | undefined;
}

const LAST_LINES = 10;
const MAX_LOG = 1 << 25;
const MAX_LINE = 500;
const STATISTICS = /^(processed \d+ insns|verification time|stack depth|peak_states|max_states|total_states|mark_read)/;

/** Reasons in the kernel's words (kernel/bpf/verifier.c), and what they ask for. */
const HINTS: readonly (readonly [reason: RegExp, hint: string])[] = [
  [
    /invalid mem access '(?:map_value|mem|ptr_|sock)[^']*_or_null'|possibly NULL pointer/i,
    "check the pointer with `ifNonNull` or `orElse` first",
  ],
  [
    /invalid mem access 'scalar'|invalid mem access 'inv'/,
    "a number is used as a pointer: read it with `probe_read_kernel` or `cast`, or keep the pointer itself",
  ],
  [/Unreleased reference|reference (?:has not been )?(?:leak|released)/i, "submit or discard the record on each path"],
  [/invalid access to packet/, "compare with the end of the packet: reach its bytes by `packet`"],
  [
    /(?:unbounded|min value is negative|max value is outside|value is outside of the allowed memory range|invalid access to map value|var_off)/i,
    "bound the index or the size with `and(mask)`, or compare it with the length, just before it is used",
  ],
  [
    /program of this type cannot use helper|unknown func|invalid func|helper call is not allowed/,
    "this type of program may not call the function: take another function or another hook",
  ],
  [/cannot call GPL|GPL[- ]restricted|from non-GPL/i, "give the program a license that is compatible with the GPL"],
  [/infinite loop|back-edge|loop detected/i, "use `repeat` with a bound"],
  [/combined stack size|stack size .* too large|invalid stack off/i, "keep large values in a per-CPU array"],
  [
    /too large|too many (?:states|instructions)|BPF program is too|sequence of \d+ jumps|Processed .* insns limit/i,
    'split the program, take `loop` for loops with many rounds, or `guard: "may_goto"`',
  ],
  [
    /invalid (?:indirect )?read from stack|!read_ok|uninitialized/i,
    "write the value before it is read; parameters of functions of the kernel are gone after the first call",
  ],
  [/R0 !read_ok|At program exit the register R0/i, "return a number that the hook allows"],
  [/unreachable insn/, "remove what stands after a `return`"],
  [
    /leaks addr|pointer comparison prohibited|pointer arithmetic .* prohibited|R\d pointer/i,
    "pointers may not become numbers here; without CAP_PERFMON more of them are refused",
  ],
  [/btf func_info|missing btf/i, "load the program with its BTF (`programBtf`): functions that the kernel calls back need it"],
  [
    /(?:access beyond struct|no field|attach_btf_id|is not a kernel function|failed to find)/i,
    "the program was generated for another kernel: generate it again",
  ],
];

/** Reads a log. It is of the kernel's, but a program chooses what some of it quotes: one line is one line. */
export function explainVerifierLog(instructions: readonly Instruction[], log: string): VerifierFinding {
  const lines = log
    .slice(-MAX_LOG)
    .split("\n")
    .map((line) =>
      line
        .slice(0, MAX_LINE)
        .replaceAll(/[^ -~\t]/g, "?")
        .trimEnd(),
    )
    .filter((line) => line !== "" && !STATISTICS.test(line));
  const reason = reasonIn(lines);
  const instruction = instructionAt(instructions, lines);
  const hint = HINTS.find(([pattern]) => pattern.test(reason))?.[1];
  return {
    message: `${reason}${instruction === undefined ? "" : `, at \`${describe(instruction)}\``}`,
    source: instruction?.source,
    instruction,
    lastLines: lines.slice(-LAST_LINES),
    hint,
  };
}

function describe(instruction: Instruction): string {
  const text = instructionText(instruction);
  return instruction.comment === undefined ? text : `${text} ; ${instruction.comment}`;
}

/** The verifier ends with what it refuses; states and instructions are what it prints on the way. */
function reasonIn(lines: readonly string[]): string {
  const said = lines.findLast((line) => !/^(\d+: |from \d+ to |; |R\d=|arg#|caller|callee|frame\d|The sequence)/.test(line.trim()));
  return said?.trim() ?? lines.at(-1)?.trim() ?? "the kernel does not say why";
}

/** The last instruction that the log walks through, as `12: (79) r1 = …`. */
function instructionAt(instructions: readonly Instruction[], lines: readonly string[]): Instruction | undefined {
  const last =
    lines.findLast((line) => /^\d+: \([0-9a-f]{2}\)/.test(line)) ?? lines.findLast((line) => /\binsn \d+|^unreachable insn \d+/.test(line));
  const slot = Number(/^(\d+): /.exec(last ?? "")?.[1] ?? /\binsn (\d+)/.exec(last ?? "")?.[1] ?? Number.NaN);
  if (Number.isNaN(slot)) return undefined;
  const starts = slotStarts(instructions);
  const index = starts.findLastIndex((start) => start <= slot);
  return instructions[index];
}
