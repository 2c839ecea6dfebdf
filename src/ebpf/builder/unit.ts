/** All functions of one program. */
import type { Line } from "../assembler/line.ts";
import type { Btf } from "../btf/btf.ts";
import { EbpfError } from "../ebpf-error.ts";
import type { SourcePosition } from "../instruction.ts";
import type { Scalar } from "./expression.ts";
import { MAX_STACK_BYTES } from "./frame.ts";

/** What a unit asks of the code of a function. */
export interface FunctionCode {
  readonly lines: readonly Line[];
  readonly stackDepth: number;
  parameters(count: number): readonly Scalar[];
  finish(result: number | undefined): void;
}

/** A function of the program's own. Its frame is its own too, so it reaches nothing of its caller but its arguments. */
export interface Subprogram {
  readonly name: string;
  /** At most five. */
  readonly parameters: number;
  readonly body: (code: FunctionCode, ...parameters: readonly Scalar[]) => void;
  /** It is called by the kernel rather than by the program. */
  readonly isCallback?: boolean;
}

/** The kernel rounds each frame up to this. */
const FRAME_STEP = 32;
/** What `may_goto` takes of the stack for its count. */
const MAY_GOTO_BYTES = 16;
const MAX_CALL_DEPTH = 8;

interface Generated {
  readonly label: string;
  readonly code: FunctionCode;
  readonly isCallback: boolean;
  readonly calls: Set<FunctionCode>;
}

export class Unit {
  readonly btf: Btf | undefined;
  usesMayGoto = false;
  readonly #generated = new Map<Subprogram, Generated>();
  readonly #calls = new Map<FunctionCode, Set<FunctionCode>>();
  readonly #open: Subprogram[] = [];

  constructor(btf: Btf | undefined) {
    this.btf = btf;
  }

  /** The label of a subprogram, which is generated when it is called for the first time. */
  labelOf(
    called: Subprogram,
    caller: FunctionCode & { readonly emitter: { readonly source: SourcePosition } },
    create: (source: SourcePosition, unit: Unit, label: string) => FunctionCode,
  ): string {
    if (this.#open.includes(called))
      throw new EbpfError("EBPF_JUMP", `the subprogram \`${called.name}\` calls itself`, { source: caller.emitter.source });
    let generated = this.#generated.get(called);
    if (generated === undefined) {
      // Two functions may have one name.
      const label = `${called.name}.${this.#generated.size}`;
      const code = create(caller.emitter.source, this, label);
      generated = { label, code, isCallback: called.isCallback === true, calls: new Set() };
      this.#generated.set(called, generated);
      this.#open.push(called);
      called.body(code, ...code.parameters(called.parameters));
      code.finish(0);
      this.#open.pop();
    }
    const calls = this.#calls.get(caller) ?? new Set();
    this.#calls.set(caller, calls.add(generated.code));
    return generated.label;
  }

  /** The lines of the main function and of all that it calls. Throws `EBPF_STACK` when their frames do not fit together. */
  link(main: FunctionCode): readonly Line[] {
    const depth = this.#depth(main, 0) + (this.usesMayGoto ? MAY_GOTO_BYTES : 0);
    if (depth > MAX_STACK_BYTES)
      throw new EbpfError("EBPF_STACK", `the frames of nested functions take ${depth} bytes of stack, of ${MAX_STACK_BYTES}`, {
        hint: "keep large values in a per-CPU array",
      });
    const subprograms = [...this.#generated.values()].flatMap(({ label, code }): readonly Line[] => [
      { kind: "subprogram", name: label },
      ...code.lines,
    ]);
    return [...main.lines, ...subprograms];
  }

  #depth(code: FunctionCode, level: number): number {
    if (level >= MAX_CALL_DEPTH) throw new EbpfError("EBPF_STACK", `functions call each other more than ${MAX_CALL_DEPTH} deep`);
    const own = Math.ceil(code.stackDepth / FRAME_STEP) * FRAME_STEP;
    const callees = [...(this.#calls.get(code) ?? [])];
    return own + Math.max(0, ...callees.map((callee) => this.#depth(callee, level + 1)));
  }
}
