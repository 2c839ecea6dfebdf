/** Random patterns and texts, judged by this engine and by re2js, an independent port of RE2. */
import fc from "fast-check";
import { RE2JS } from "re2js";
import { expect, test } from "vitest";
import { BoundedBacktracker } from "./bounded-backtracker.ts";
import { CaptureMachine } from "./capture-machine.ts";
import { parsePattern } from "./pattern-parser.ts";
import { compileProgram } from "./program.ts";
import { compileRegex, type RegexMatch } from "./regex.ts";
import { prefixOf, searchFormOf } from "./search-form.ts";

const CHARS = ["a", "b", "c", "A", "K", "k", "s", "\u017f", "\u212a", "é", "É", "ß", "0", "9", "_", "-", " ", "\n", "😀", "𝒳"];
const RUNS = 3000;

const literal = fc.constantFrom(...CHARS, "\\.", "\\-", "\\n", "\\x41", "\\x{1F600}", "\\141", "\\Qa.b\\E", "ab", "\\t");
const characterClass = fc.constantFrom(
  ...[".", "[a-c]", "[^a]", "[^a-c0-9]", "[a\\-c]", "[]a]", "[^]a]", "[-a]", "[a-]", "[[:alpha:]]", "[[:^digit:]_]", "[\\d\\s]", "[^\\W]"],
  ...["\\d", "\\D", "\\w", "\\W", "\\s", "\\S", "\\pL", "\\p{Lu}", "\\P{Ll}", "\\p{Greek}", "\\p{^Latin}", "[\\p{Nd}a]", "[À-ÿ]", "[K-S]"],
);
const assertion = fc.constantFrom("^", "$", "\\b", "\\B", "\\A", "\\z");
const count = fc.constantFrom("*", "+", "?", "*?", "+?", "??", "{2}", "{0,2}", "{1,}", "{0}", "{2,3}?", "{,2}");
const flags = fc.constantFrom("i", "s", "m", "U", "im", "-i", "i-s", "sU");

const pattern: fc.Arbitrary<string> = fc.letrec<{ pattern: string; part: string }>((tie) => ({
  pattern: fc.oneof(
    { weight: 3, arbitrary: fc.array(tie("part"), { maxLength: 4 }).map((parts) => parts.join("")) },
    { weight: 1, arbitrary: fc.array(tie("part"), { minLength: 2, maxLength: 3 }).map((parts) => parts.join("|")) },
  ),
  part: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    { weight: 5, arbitrary: literal },
    { weight: 3, arbitrary: characterClass },
    { weight: 1, arbitrary: assertion },
    { weight: 3, arbitrary: fc.tuple(fc.oneof(literal, characterClass), count).map(([body, times]) => `${body}${times}`) },
    { weight: 2, arbitrary: tie("pattern").map((body) => `(${body})`) },
    { weight: 2, arbitrary: fc.tuple(tie("pattern"), count).map(([body, times]) => `(${body})${times}`) },
    { weight: 1, arbitrary: fc.tuple(tie("pattern"), count).map(([body, times]) => `(?:${body})${times}`) },
    { weight: 1, arbitrary: fc.tuple(flags, tie("pattern")).map(([letters, body]) => `(?${letters}:${body})`) },
    { weight: 1, arbitrary: fc.tuple(flags, tie("pattern")).map(([letters, body]) => `(?${letters})${body}`) },
  ),
})).pattern;

const text = fc.array(fc.constantFrom(...CHARS), { maxLength: 12 }).map((chars) => chars.join(""));

function matchesByOracle(source: string, subject: string): readonly RegexMatch[] {
  const matcher = RE2JS.compile(source).matcher(subject);
  const matches: RegexMatch[] = [];
  while (matcher.find()) {
    const groups = Array.from({ length: matcher.groupCount() }, (_, i) =>
      matcher.start(i + 1) < 0 ? null : { start: matcher.start(i + 1), end: matcher.end(i + 1) },
    );
    matches.push({ start: matcher.start(), end: matcher.end(), groups });
  }
  return matches;
}

function compiledByOracle(source: string): boolean {
  try {
    RE2JS.compile(source);
    return true;
  } catch {
    return false;
  }
}

test("random patterns match where re2js says, with the same groups", () => {
  fc.assert(
    fc.property(pattern, fc.array(text, { minLength: 1, maxLength: 4 }), (source, subjects) => {
      const compiled = compileRegex(source);
      fc.pre(compiled.ok && compiledByOracle(source));
      for (const subject of subjects) {
        const expected = matchesByOracle(source, subject);
        expect(compiled.value.test(subject)).toBe(expected.length > 0);
        expect(compiled.value.find(subject)).toEqual(expected[0] ?? null);
      }
    }),
    { numRuns: RUNS },
  );
});

test("both ways to find captures agree", () => {
  fc.assert(
    fc.property(pattern, text, fc.nat(3), (source, subject, from) => {
      const parsed = parsePattern(source);
      fc.pre(parsed.ok && from <= subject.length);
      const { pattern: tree, groupNames } = parsed.value;
      const program = compileProgram(tree, "captures");
      const search = { program, groupCount: groupNames.length, isAnchored: searchFormOf(tree).isAnchored, prefix: prefixOf(tree) };
      expect(new CaptureMachine(search).find(subject, from)).toEqual(new BoundedBacktracker(search).find(subject, from));
    }),
    { numRuns: RUNS },
  );
});

test("random strings of syntax are refused exactly when re2js refuses them", () => {
  const piece = fc.oneof(
    fc.constantFrom(..."()[]{}|*+?^$.\\-,:<>=!imsaz019"),
    fc.constantFrom("(?:", "(?i)", "(?P<a>", "(?<b>", "{2}", "{1,3}", "[[:alpha:]]", "\\pL", "\\x{41}", "\\d", "[^"),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const source = pieces.join("");
      expect({ source, ok: compileRegex(source).ok }).toEqual({ source, ok: compiledByOracle(source) });
    }),
    { numRuns: RUNS * 2 },
  );
});
