/** cel-go's regular expression extension (ext/regex.go, version 1), on our own engine: RE2's syntax, linear time. */
import type { CallCost, FunctionDeclaration, Library } from "../declaration.ts";
import { cachedRegex, type Regex, type RegexMatch } from "../regex/regex.ts";
import { costSize, LIST_COST } from "../runtime/cost.ts";
import type { Int } from "../runtime/int64.ts";
import { listType, optionalType, STRING } from "../type.ts";
import { CelError, CelOptional, type CelValue, NONE } from "../value.ts";
import { plus, REGEX_FACTOR, range, scaled, TRAVERSAL_FACTOR, times, UNBOUNDED } from "./cost.ts";
import { declare, fail, func, int, string } from "./define.ts";
import { MAX_TEXT_LENGTH, textTooLong } from "./size-limit.ts";

export function regexOf(pattern: string): Regex | CelError {
  const regex = cachedRegex(pattern);
  return regex.ok ? regex.value : fail(`invalid regular expression: ${regex.error.message}`);
}

/** A regular expression with at most one group: what is extracted is the group, or else the match. */
function extractorOf(pattern: string): Regex | CelError {
  const regex = regexOf(pattern);
  return regex instanceof CelError || regex.names.length <= 1 ? regex : fail("the regular expression has more than one capturing group");
}

/** The group of a match, or all of it where the expression has none; undefined for an empty group. */
function extracted(text: string, match: RegexMatch): string | undefined {
  const [group] = match.groups;
  if (group === undefined) return text.slice(match.start, match.end);
  return group === null || group.start === group.end ? undefined : text.slice(group.start, group.end);
}

function extract(text: string, pattern: string): CelValue {
  const regex = extractorOf(pattern);
  if (regex instanceof CelError) return regex;
  const match = regex.find(text);
  const found = match === null ? undefined : extracted(text, match);
  return found === undefined ? NONE : new CelOptional(true, found);
}

function extractAll(text: string, pattern: string): CelValue {
  const regex = extractorOf(pattern);
  return regex instanceof CelError ? regex : regex.findAll(text).flatMap((match) => extracted(text, match) ?? []);
}

/** Replaces the first `limit` matches, all of them when it is negative. */
function replace(text: string, pattern: string, replacement: string, limit: Int): CelValue {
  if (limit === 0) return text;
  const regex = regexOf(pattern);
  if (regex instanceof CelError) return regex;
  let result = "";
  let end = 0;
  for (const match of regex.findAll(text, limit < 0 ? Number.POSITIVE_INFINITY : Number(limit))) {
    const expanded = expand(replacement, text, match);
    if (expanded instanceof CelError) return expanded;
    result += text.slice(end, match.start) + expanded;
    end = match.end;
    if (result.length > MAX_TEXT_LENGTH) return textTooLong();
  }
  return result + text.slice(end);
}

/** The replacement with `\0` to `\9` as the match and its groups, `\\` as a backslash. */
function expand(replacement: string, text: string, match: RegexMatch): string | CelError {
  if (!replacement.includes("\\")) return replacement;
  const spans = [match, ...match.groups];
  let problem: CelError | undefined;
  const expanded = replacement.replaceAll(/\\(.?)/gsu, (_, escaped: string) => {
    if (escaped === "\\") return "\\";
    const span = /\d/.test(escaped) ? spans[Number(escaped)] : undefined;
    if (span === undefined) problem ??= fail("invalid replacement: expected `\\\\` or the number of a group after a backslash");
    return span == null ? "" : text.slice(span.start, span.end);
  });
  return problem ?? expanded;
}

/** The search and what it makes, and a list where it makes one. */
const cost = (listCost: number, round: (cost: number) => number): CallCost => ({
  actual: ([text = "", pattern = ""], result) =>
    round(1 + (costSize(text) + 1) * TRAVERSAL_FACTOR * (costSize(pattern) + 1) * REGEX_FACTOR + costSize(result) + listCost),
  estimate: ([text = UNBOUNDED, pattern = UNBOUNDED, replacement]) => {
    const search = times(scaled(plus(text, range(1)), TRAVERSAL_FACTOR), scaled(plus(pattern, range(1)), REGEX_FACTOR));
    const resultSize = range(0, replacement === undefined ? text.max : (text.max + 1) * (replacement.max + 1));
    return { cost: plus(search, plus(resultSize, range(listCost))), resultSize };
  },
});

const functions: readonly FunctionDeclaration[] = [
  declare(
    "regex.extract",
    "The first match of a regular expression, or its group; none when there is no match.",
    func("regex_extract_string_string", [string, string], optionalType(STRING), extract, cost(0, Math.ceil)),
  ),
  declare(
    "regex.extractAll",
    "All matches of a regular expression, or their groups.",
    func("regex_extractAll_string_string", [string, string], listType(STRING), extractAll, cost(LIST_COST, Math.ceil)),
  ),
  declare(
    "regex.replace",
    "The string with the matches of a regular expression replaced, all of them or the first n; `\\1` stands for the first group.",
    func(
      "regex_replace_string_string_string",
      [string, string, string],
      STRING,
      (text, pattern, replacement) => replace(text, pattern, replacement, -1),
      cost(0, Math.floor),
    ),
    func("regex_replace_string_string_string_int", [string, string, string, int], STRING, replace, cost(0, Math.floor)),
  ),
];

export const regexLibrary: Library = { name: "regex", functions };
