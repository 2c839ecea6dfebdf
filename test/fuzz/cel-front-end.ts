/** Fuzzes the parser, the checker and unparse with expressions of the conformance data, spliced, mutated and repeated. */
import { checkExpression } from "../../src/cel/checker.ts";
import { parseExpression } from "../../src/cel/parser.ts";
import { sourceText } from "../../src/cel/source-text.ts";
import { unparse } from "../../src/cel/unparse.ts";
import { checkingCases, comprehensionCases, conformanceCases, parsingCases } from "../conformance/cases.ts";
import { checkerDeclarationsFor } from "../conformance/declarations.ts";
import { threadMs } from "./target.ts";

/** Far more than any expression of 64 KiB may take. */
const MAX_CHECK_MS = 1000;
const MAX_CHANGES = 4;
const seeds = [...parsingCases, ...checkingCases, ...comprehensionCases, ...conformanceCases];
const FRAGMENTS =
  "( ) [ ] { } [? {? .? . , : ? && || ! - + == in 'a' r' \" ''' b' \\ \\u \\x // \n 1 0x 1e 9999999999999999999 null .all(x, .map(x, has( cel.bind(x, .optMap(x, math.greatest( ` 😁 \ud800 \u0000 __proto__ constructor".split(
    " ",
  );

export const celFrontEndFuzz = {
  name: "cel front end",
  /** `random` gives numbers from 0 to below 1. Throws when an outcome is wrong, with the expression that did it. */
  run(random: () => number): void {
    const upTo = (limit: number): number => Math.floor(random() * limit);
    const given = seeds[upTo(seeds.length)];
    if (given === undefined) return;
    const text = mutate(given.expression, upTo);
    const startMs = threadMs();
    const wrong = outcomeOf(text, given) ?? (threadMs() - startMs > MAX_CHECK_MS ? "too slow" : undefined);
    if (wrong !== undefined) throw new Error(`${wrong}: ${JSON.stringify(text.slice(0, 2000))}`);
  },
};

function mutate(seed: string, upTo: (limit: number) => number): string {
  let text = seed;
  for (let changes = upTo(MAX_CHANGES + 1); changes > 0; changes--) {
    const at = upTo(text.length + 1);
    const rest = text.slice(at + upTo(6) * upTo(2));
    const other = seeds[upTo(seeds.length)]?.expression ?? "";
    const inserted = upTo(3) === 0 ? other.slice(upTo(other.length)) : (FRAGMENTS[upTo(FRAGMENTS.length)] ?? "");
    text = text.slice(0, at) + inserted.repeat(upTo(20) === 0 ? 1 + upTo(20_000) : 1) + rest;
    // What is longer is refused before anything happens.
    if (text.length > 66_000) text = text.slice(0, 66_000);
  }
  return text;
}

/** What is wrong with the outcome; undefined when nothing is. */
function outcomeOf(text: string, given: (typeof seeds)[number]): string | undefined {
  const declarations = checkerDeclarationsFor(given);
  const parsed = parseExpression(sourceText(text), declarations);
  if (!parsed.ok) return parsed.error.length === 0 ? "refused without a reason" : undefined;
  const written = unparse(parsed.value.root);
  // Written out, names and numbers may be longer than they were.
  const again = written.length > 65_536 ? undefined : parseExpression(sourceText(written), declarations);
  if (again !== undefined && (!again.ok || unparse(again.value.root) !== written)) return "does not survive unparse";
  const checked = checkExpression(parsed.value, declarations);
  return !checked.ok && checked.error.length === 0 ? "refused without a reason" : undefined;
}
