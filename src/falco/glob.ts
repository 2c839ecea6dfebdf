/** Shell patterns as fnmatch(3) without flags reads them: `*` and `?` match any character, `/` too. Matched in linear time. */
import { compileRegex, type Regex } from "../cel/regex/regex.ts";
import { ok, type Result } from "../lib/result.ts";

/** A test of whole texts, or why the pattern cannot be one. */
export function compileGlob(pattern: string, isCaseFolded: boolean): Result<(text: string) => boolean, Error> {
  const prefix = /^([^*?[\\]*)\*$/.exec(pattern)?.[1];
  if (prefix !== undefined && !isCaseFolded) return ok((text) => text.startsWith(prefix));
  const regex = compileRegex(`(?s${isCaseFolded ? "i" : ""})^(?:${globSource(pattern)})$`);
  if (!regex.ok) return regex;
  return ok(testOf(regex.value));
}

const testOf =
  (regex: Regex): ((text: string) => boolean) =>
  (text) =>
    regex.test(text);

const SPECIAL = /[\\^$.|+()[\]{}*?]/;
const escaped = (character: string): string => (SPECIAL.test(character) ? `\\${character}` : character);

function globSource(pattern: string): string {
  let source = "";
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at] ?? "";
    if (character === "*") source += ".*";
    else if (character === "?") source += ".";
    else if (character === "\\" && at + 1 < pattern.length) source += escaped(pattern[++at] ?? "");
    else if (character === "[") {
      const set = /^\[([!^]?)(\]?[^\]]*)\]/.exec(pattern.slice(at));
      if (set === null) source += "\\[";
      else {
        const [whole, negation = "", members = ""] = set;
        source += `[${negation === "" ? "" : "^"}${members.replaceAll(/[\\[\]^]/g, "\\$&")}]`;
        at += whole.length - 1;
      }
    } else source += escaped(character);
  }
  return source;
}
