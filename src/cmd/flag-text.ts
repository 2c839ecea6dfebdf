/** Values of flags as text: on the command line, and in environment variables. */
import { parseDuration } from "../lib/duration.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Flag } from "./command.ts";

export type FlagValue = boolean | string | number;

/** The value that a text means for a flag (for a list, one item of it), or what was expected instead. */
export function parseFlagText(flag: Flag, text: string): Result<FlagValue, string> {
  switch (flag.kind) {
    case "boolean":
      return text === "true" || text === "false" ? ok(text === "true") : err(expectation(flag));
    case "choice":
      return flag.choices.includes(text) ? ok(text) : err(expectation(flag));
    case "integer": {
      const number = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
      return number >= flag.min && number <= flag.max ? ok(number) : err(expectation(flag));
    }
    case "duration": {
      const durationMs = parseDuration(text);
      return durationMs === undefined ? err(expectation(flag)) : ok(durationMs);
    }
    case "text":
    case "list":
      return ok(text);
    default:
      return flag satisfies never;
  }
}

/** What a flag takes, for a message that says "expected …". */
export function expectation(flag: Flag): string {
  switch (flag.kind) {
    case "boolean":
      return "`true` or `false`";
    case "choice":
      return `one of ${flag.choices.map((choice) => `\`${choice}\``).join(", ")}`;
    case "integer":
      return `a whole number from ${flag.min} to ${flag.max}`;
    case "duration":
      return "a duration such as `30s`, `5m` or `1h30m`";
    case "text":
    case "list":
      return flag.value;
    default:
      return flag satisfies never;
  }
}
