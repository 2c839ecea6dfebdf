/**
 * An error of Vigil: bad input or a failing world. A caller's own mistake is a `TypeError` or `RangeError` instead.
 *
 * `code` comes from the closed union of the folder that throws (each code is a row in ERRORS.md),
 * `hint` says what to do about it. A message never contains a secret.
 */
export class VigilError<C extends string = string> extends Error {
  readonly code: C;
  readonly hint: string | undefined;

  constructor(code: C, message: string, options: { readonly hint?: string; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "VigilError";
    this.code = code;
    this.hint = options.hint;
  }
}

/** The text of whatever was thrown, on one line, for a message that wraps it. */
export const messageOf = (thrown: unknown): string =>
  (thrown instanceof Error ? thrown.message : String(thrown)).replaceAll(/\s*\n\s*/g, " ");
