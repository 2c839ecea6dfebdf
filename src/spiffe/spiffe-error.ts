import { VigilError } from "../lib/error.ts";
import { encodeJson, type JsonValue } from "../lib/json.ts";
import { err } from "../lib/result.ts";
import { SPIFFE_RULES, type SpiffeErrorCode, type SpiffeRule } from "./rule.ts";

export type { SpiffeErrorCode, SpiffeRule };

/** What is refused: the rule that is broken and the section of the specification that asks for it. */
export class SpiffeError extends VigilError<SpiffeErrorCode> {
  readonly rule: SpiffeRule;
  /** As `X509-SVID §5.2`. */
  readonly section: string;

  constructor(rule: SpiffeRule, message: string, options: { readonly hint?: string; readonly cause?: unknown } = {}) {
    const { code, section } = SPIFFE_RULES[rule];
    super(code, `${message} (${rule}, ${section})`, options);
    this.name = "SpiffeError";
    this.rule = rule;
    this.section = section;
  }
}

/** The refusal as a result. */
export const refuse = (
  rule: SpiffeRule,
  message: string,
  options: { readonly hint?: string; readonly cause?: unknown } = {},
): { readonly ok: false; readonly error: SpiffeError } => err(new SpiffeError(rule, message, options));

const MAX_SHOWN = 120;

/** Untrusted text for a message: one line, short, ASCII alone (terminals obey more control characters than JSON escapes). */
export function shown(text: string): string {
  const start = JSON.stringify(text.slice(0, MAX_SHOWN)).slice(1, -1);
  const ascii = start.replaceAll(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return `\`${ascii}${text.length > MAX_SHOWN ? "…" : ""}\``;
}

/** An untrusted JSON value for a message. */
export const shownValue = (value: JsonValue | undefined): string => (value === undefined ? "nothing" : shown(encodeJson(value)));
