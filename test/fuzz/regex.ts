/** Fuzzes the regular expressions: any pattern, any text, answers compared with re2js, work counted in steps. */
import { RE2JS } from "re2js";
import { parsePattern } from "../../src/cel/regex/pattern-parser.ts";
import { instructionCount } from "../../src/cel/regex/program.ts";
import { compileRegex, type Regex, type RegexMatch } from "../../src/cel/regex/regex.ts";
import { type FuzzTarget, threadMs } from "./target.ts";

/** Far more than any pattern and text of these sizes may take. */
const MAX_RUN_MS = 5000;
const MAX_PIECES = 12;
const MAX_LONG_TEXT = 20_000;
/** re2js is not linear in everything: only short texts are compared with it. */
const MAX_COMPARED_PATTERN = 200;

type UpTo = (limit: number) => number;

const PIECES = [
  ..."a|b|k|K|ſ|é|😀|.|^|$|*|+|?|??|*?|+?|(|)|(?:|(?i)|(?s:|(?m)|(?U)|(?-i:|(?P<n>|(?<m>|[|]|[^|-|{|}|{2}|{0,3}|{2,}|{1000}|{30}|\\d|\\W|\\s|\\b|\\B|\\A|\\z|\\pL|\\p{Greek}|\\P{Lu}|[[:alpha:]]|[[:^word:]]|\\Q|\\E|\\x{41}|\\x61|\\101|\\n|\\.|\\|,|:|=|!|<|[a-c]|[^b]|(a+)+|(a|a)*|(.*)|(a|b)*a".split(
    "|",
  ),
  "|",
  "\n",
  "\ud800",
  "\u0000",
];
const CHARS = ["a", "a", "a", "b", "k", "K", "ſ", "é", "É", "😀", "\n", " ", "0", "_", "λ", "\ud800"];

export const regexFuzz: FuzzTarget = {
  name: "regex",
  run(random) {
    const upTo: UpTo = (limit) => Math.floor(random() * limit);
    const pattern = join(PIECES, 1 + upTo(MAX_PIECES), upTo).repeat(upTo(30) === 0 ? 1 + upTo(300) : 1);
    const unit = join(CHARS, upTo(10), upTo);
    const text = upTo(8) === 0 ? unit.repeat(upTo(MAX_LONG_TEXT / (unit.length + 1))) + join(CHARS, upTo(3), upTo) : unit;
    const startMs = threadMs();
    const wrong = judge(pattern, text) ?? (threadMs() - startMs > MAX_RUN_MS ? "too slow" : undefined);
    if (wrong !== undefined) throw new Error(`${wrong}: ${JSON.stringify({ pattern, text: text.slice(0, 200), length: text.length })}`);
  },
};

const join = (pieces: readonly string[], count: number, upTo: UpTo): string =>
  Array.from({ length: count }, () => pieces[upTo(pieces.length)]).join("");

/** What is wrong with the answers; undefined when nothing is. */
function judge(pattern: string, text: string): string | undefined {
  const compiled = compileRegex(pattern);
  if (!compiled.ok) {
    const { offset, message } = compiled.error;
    return message === "" || offset < 0 || offset > pattern.length ? "refused without a reason or a place" : undefined;
  }
  const regex = compiled.value;
  const matches = regex.test(text);
  const found = regex.find(text);
  if (matches !== (found !== null)) return "test and find disagree";
  return tooManySteps(regex, pattern, text) ?? outsideText(found, text) ?? disagreement(regex, pattern, text, found);
}

/** Each engine visits each instruction at most once per character. */
function tooManySteps(regex: Regex, pattern: string, text: string): string | undefined {
  const parsed = parsePattern(pattern);
  const instructions = parsed.ok ? instructionCount(parsed.value.pattern) : 0;
  const most = (text.length + 1) * (8 * instructions + 64);
  return regex.steps > most ? `${regex.steps} steps, expected at most ${most}` : undefined;
}

function outsideText(found: RegexMatch | null, text: string): string | undefined {
  if (found === null) return undefined;
  const spans = [found, ...found.groups.filter((group) => group !== null)];
  return spans.every(({ start, end }) => 0 <= start && start <= end && end <= text.length) ? undefined : "a match outside the text";
}

function disagreement(regex: Regex, pattern: string, text: string, found: RegexMatch | null): string | undefined {
  // re2js reads lone surrogates differently, and refuses names of classes in lower case.
  if (pattern.length > MAX_COMPARED_PATTERN || text.length > MAX_COMPARED_PATTERN || !`${pattern}${text}`.isWellFormed()) return undefined;
  const oracle = compileOracle(pattern);
  if (oracle === null) return undefined;
  const matcher = oracle.matcher(text);
  if (matcher.find() !== regex.test(text)) return "test differs from re2js";
  if (found === null) return undefined;
  const groups = [found, ...found.groups];
  const isSame = groups.every((span, index) => matcher.start(index) === (span?.start ?? -1) && matcher.end(index) === (span?.end ?? -1));
  return isSame ? undefined : "find differs from re2js";
}

function compileOracle(pattern: string): RE2JS | null {
  try {
    return RE2JS.compile(pattern);
  } catch {
    return null; // it refuses a few patterns that are allowed since Go 1.25
  }
}
