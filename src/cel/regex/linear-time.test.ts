/** Work must grow no faster than the text: counted in steps, so that the machine's load does not matter. */
import { expect, test } from "vitest";
import { BoundedBacktracker } from "./bounded-backtracker.ts";
import { CaptureMachine } from "./capture-machine.ts";
import { parsePattern } from "./pattern-parser.ts";
import { compileProgram } from "./program.ts";
import { compileRegex } from "./regex.ts";
import { SearchAutomaton } from "./search-automaton.ts";
import { prefixOf, searchFormOf } from "./search-form.ts";

const LENGTH = 1_500;

const CASES: readonly { readonly pattern: string; readonly text: (length: number) => string }[] = [
  { pattern: "^(a+)+$", text: (n) => `${"a".repeat(n)}!` },
  { pattern: "^(a|a)*b", text: (n) => "a".repeat(n) },
  { pattern: "^(a*)*(a*)*b", text: (n) => "a".repeat(n) },
  { pattern: "x?(.+)(.+)(.+)(.+)[xy]$", text: (n) => "ab".repeat(n / 2) },
  { pattern: "(a|b)*a(a|b){12}[cd]", text: pseudoRandom },
  { pattern: "(a|b)*a(a|b){300}[cd]", text: pseudoRandom },
  { pattern: "(x{0,30}y?){30}[yz]", text: (n) => "x".repeat(n) },
  { pattern: "(a{1,100}b?){1,10}$", text: (n) => `${"a".repeat(n)}!` },
  { pattern: "\\b(\\w+\\s?)+\\B!", text: (n) => "word ".repeat(n / 5) },
  { pattern: "(?i)(s|\u017f|[^x])*z", text: (n) => "\u017fé😀s".repeat(n / 5) },
  { pattern: "a.*b.*c.*d$", text: (n) => "abc".repeat(n / 3) },
];

/** Letters a and b without a short period, so that the automaton keeps meeting new states. */
function pseudoRandom(length: number): string {
  let seed = 1;
  return Array.from({ length }, () => {
    seed = (seed * 48_271) % 0x7fffffff;
    return (seed & 64) === 0 ? "a" : "b";
  }).join("");
}

/** The work of each engine on one text. */
function stepsOf(source: string, text: string): Record<"search" | "backtracker" | "machine", number> {
  const parsed = parsePattern(source);
  if (!parsed.ok) throw parsed.error;
  const { pattern, groupNames } = parsed.value;
  const form = searchFormOf(pattern);
  const search = {
    program: compileProgram(pattern, "captures"),
    groupCount: groupNames.length,
    isAnchored: form.isAnchored,
    prefix: prefixOf(pattern),
  };
  const engines = { search: new SearchAutomaton(form), backtracker: new BoundedBacktracker(search), machine: new CaptureMachine(search) };
  engines.search.search(text, 0);
  engines.backtracker.find(text, 0);
  engines.machine.find(text, 0);
  return { search: engines.search.steps, backtracker: engines.backtracker.steps, machine: engines.machine.steps };
}

test.each(CASES)("$pattern", ({ pattern, text }) => {
  const once = stepsOf(pattern, text(LENGTH));
  const twice = stepsOf(pattern, text(2 * LENGTH));
  for (const engine of ["search", "backtracker", "machine"] as const) {
    expect(once[engine]).toBeGreaterThan(0);
    expect(twice[engine] / once[engine]).toBeLessThan(2.5);
  }
});

test("an automaton with more states than its memory holds is emptied and still answers", () => {
  const compiled = compileRegex("(a|b)*a(a|b){300}[cd]");
  if (!compiled.ok) throw compiled.error;
  const text = pseudoRandom(LENGTH);
  expect(compiled.value.test(text)).toBe(false);
  expect(compiled.value.test(`${text}a${"b".repeat(300)}c`)).toBe(true);
});
