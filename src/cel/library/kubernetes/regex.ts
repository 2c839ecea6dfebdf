/** Kubernetes' regular expression functions (apiserver pkg/cel/library/regex.go), since Kubernetes 1.23. */
import type { CallCost, Library } from "../../declaration.ts";
import { matchCost } from "../../runtime/cost.ts";
import type { Int } from "../../runtime/int64.ts";
import { listType, STRING } from "../../type.ts";
import { CelError, type CelValue } from "../../value.ts";
import { plus, REGEX_FACTOR, range, scaled, TRAVERSAL_FACTOR, times, UNBOUNDED } from "../cost.ts";
import { declare, int, method, string } from "../define.ts";
import { regexOf } from "../regex.ts";

function find(text: string, pattern: string): CelValue {
  const regex = regexOf(pattern);
  if (regex instanceof CelError) return regex;
  const match = regex.find(text);
  return match === null ? "" : text.slice(match.start, match.end);
}

/** Up to `limit` matches, all of them when it is negative. */
function findAll(text: string, pattern: string, limit: Int): CelValue {
  const regex = regexOf(pattern);
  if (regex instanceof CelError) return regex;
  return regex.findAll(text, limit < 0 ? Number.POSITIVE_INFINITY : Number(limit)).map(({ start, end }) => text.slice(start, end));
}

const cost: CallCost = {
  actual: ([text = "", pattern = ""]) => matchCost(text, pattern),
  estimate: ([text = UNBOUNDED, pattern = UNBOUNDED]) => ({
    cost: times(scaled(plus(text, range(1)), TRAVERSAL_FACTOR), scaled(pattern, REGEX_FACTOR)),
    resultSize: range(0, text.max),
  }),
};

export const kubernetesRegexLibrary: Library = {
  name: "kubernetes.regex",
  functions: [
    declare(
      "find",
      "The first match of a regular expression, or the empty string.",
      method("string_find_string", [string, string], STRING, find, cost),
    ),
    declare(
      "findAll",
      "All matches of a regular expression, or the first n.",
      method("string_find_all_string", [string, string], listType(STRING), (text, pattern) => findAll(text, pattern, -1), cost),
      method("string_find_all_string_int", [string, string, int], listType(STRING), findAll, cost),
    ),
  ],
};
