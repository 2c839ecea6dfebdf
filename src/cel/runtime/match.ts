import { cachedRegex } from "../regex/regex.ts";
import type { CelError } from "../value.ts";
import { invalidArgument } from "./failure.ts";

/** `text.matches(pattern)`: whether the pattern matches anywhere in the text. UNTRUSTED: linear time for any pattern. */
export function matchesPattern(text: string, pattern: string): boolean | CelError {
  const regex = cachedRegex(pattern);
  return regex.ok ? regex.value.test(text) : invalidArgument(regex.error.message);
}
