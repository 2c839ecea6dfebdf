/**
 * `&&`, `||`, `!` and `?:`. Back ends evaluate them themselves, because they need not evaluate every operand and may
 * absorb errors; the implementations here are for operands that are plain booleans.
 */
import type { FunctionDeclaration } from "../declaration.ts";
import { anything, bool, declare, func } from "../library/define.ts";
import { BOOL, typeParam } from "../type.ts";

const branch = anything("A");

export const logicFunctions: readonly FunctionDeclaration[] = [
  declare(
    "_?_:_",
    "The second operand when the first is true, otherwise the third.",
    func("conditional", [bool, branch, branch], typeParam("A"), (condition, whenTrue, whenFalse) => (condition ? whenTrue : whenFalse)),
  ),
  declare(
    "_&&_",
    "Whether both are true; false when one is, whatever the other.",
    func("logical_and", [bool, bool], BOOL, (a, b) => a && b),
  ),
  declare(
    "_||_",
    "Whether one is true, whatever the other.",
    func("logical_or", [bool, bool], BOOL, (a, b) => a || b),
  ),
  declare(
    "!_",
    "The other boolean.",
    func("logical_not", [bool], BOOL, (a) => !a),
  ),
];
