/** `contains`, `endsWith`, `startsWith` and `matches`. */
import type { CallCost, FunctionDeclaration } from "../declaration.ts";
import { range, scaled, times, traversal, UNBOUNDED } from "../library/cost.ts";
import { declare, func, method, string } from "../library/define.ts";
import { matchCost, searchCost } from "../runtime/cost.ts";
import { matchesPattern } from "../runtime/match.ts";
import { BOOL } from "../type.ts";

const search: CallCost = {
  actual: ([text = null, part = null]) => searchCost(text, part),
  estimate: ([text = UNBOUNDED, part = UNBOUNDED]) => ({ cost: times(scaled(text, 0.1), scaled(part, 0.1)) }),
};

/** The estimate is of the part, as in cel-go, while a call is charged for the whole text. */
const affix: CallCost = {
  ...traversal(),
  estimate: ([, part = UNBOUNDED]) => ({ cost: scaled(part, 0.1) }),
};

const match: CallCost = {
  actual: ([text = null, pattern = null]) => matchCost(text, pattern),
  estimate: ([text = UNBOUNDED, pattern = UNBOUNDED]) => ({
    cost: times(scaled(range(text.min + 1, text.max + 1), 0.1), scaled(pattern, 0.25)),
  }),
};

export const stringFunctions: readonly FunctionDeclaration[] = [
  declare(
    "contains",
    "Whether a string has another one in it.",
    method("contains_string", [string, string], BOOL, (text, part) => text.includes(part), search),
  ),
  declare(
    "endsWith",
    "Whether a string ends with another one.",
    method("ends_with_string", [string, string], BOOL, (text, part) => text.endsWith(part), affix),
  ),
  declare(
    "startsWith",
    "Whether a string begins with another one.",
    method("starts_with_string", [string, string], BOOL, (text, part) => text.startsWith(part), affix),
  ),
  declare(
    "matches",
    "Whether a regular expression (RE2 syntax) matches anywhere in a string.",
    func("matches", [string, string], BOOL, matchesPattern, match),
    method("matches_string", [string, string], BOOL, matchesPattern, match),
  ),
];
