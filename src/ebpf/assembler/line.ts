/** What a program is written in before its jumps are resolved: instructions, labels, and instructions that name a label. */
import type { Instruction } from "../instruction.ts";

/** What the target of a line is: `offset` of a jump, `imm` of a long jump, of a call or of a function's address. */
export type TargetPlace = "offset" | "imm";

export type Line =
  | { readonly kind: "instruction"; readonly instruction: Instruction }
  | { readonly kind: "jump"; readonly instruction: Instruction; readonly target: string; readonly place: TargetPlace }
  | { readonly kind: "label"; readonly name: string }
  /** A label that is also the start of a subprogram. */
  | { readonly kind: "subprogram"; readonly name: string };
