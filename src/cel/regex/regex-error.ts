import { VigilError } from "../../lib/error.ts";

/** Each is a row in ERRORS.md. */
export type RegexErrorCode = "REGEX_SYNTAX" | "REGEX_UNSUPPORTED" | "REGEX_TOO_LARGE";

/** Why a pattern does not compile. `offset` is the UTF-16 offset into the pattern at which it goes wrong. */
export class RegexError extends VigilError<RegexErrorCode> {
  readonly offset: number;

  constructor(code: RegexErrorCode, message: string, offset: number, hint?: string) {
    super(code, message, hint === undefined ? {} : { hint });
    this.name = "RegexError";
    this.offset = offset;
  }
}
