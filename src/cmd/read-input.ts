/** Files and standard input, as commands are given them. */
import { closeSync, openSync, readFileSync, statSync } from "node:fs";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { messageOf, VigilError } from "../lib/error.ts";
import type { JsonValue } from "../lib/json.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { type Document, readValues } from "../resource/document.ts";
import { readUpTo, type Terminal } from "./terminal.ts";

export type InputErrorCode = "INPUT_UNREADABLE" | "INPUT_TOO_LARGE" | "INPUT_COUNT";

/** What a diagnostic calls standard input. */
export const STANDARD_INPUT = "<stdin>";
const MAX_BYTES = 64 * 1024 * 1024;

/** The bytes of a file, or of standard input for `-`. Throws an `InputErrorCode`. */
export function readInput(path: string, terminal: Pick<Terminal, "readInput">): Uint8Array {
  const file = path === "-" ? STANDARD_INPUT : path;
  let bytes: Uint8Array;
  try {
    bytes = path === "-" ? terminal.readInput(MAX_BYTES) : readPath(path);
  } catch (error) {
    if (error instanceof VigilError) throw error;
    throw new VigilError<InputErrorCode>("INPUT_UNREADABLE", `cannot read \`${file}\`: ${messageOf(error)}`, { cause: error });
  }
  if (bytes.length > MAX_BYTES) throw tooLarge(file);
  return bytes;
}

/** Pipes and devices do not say how much they hold; some never end. */
function readPath(path: string): Uint8Array {
  const stats = statSync(path);
  if (stats.size > MAX_BYTES) throw tooLarge(path);
  if (stats.isFile()) return readFileSync(path);
  const descriptor = openSync(path, "r");
  try {
    return readUpTo(descriptor, MAX_BYTES);
  } finally {
    closeSync(descriptor);
  }
}

const tooLarge = (file: string): VigilError<InputErrorCode> =>
  new VigilError("INPUT_TOO_LARGE", `\`${file}\` is larger than 64 MiB`, { hint: "split it" });

/** The one document that a YAML or JSON text holds, or why it holds none. UNTRUSTED: `text`. */
export function readOneValue(text: string | Uint8Array, file: string): Result<Document<JsonValue>, readonly Diagnostic[]> {
  const read = readOptionalValue(text, file);
  if (!read.ok) return read;
  return read.value === undefined ? err([wrongCount(file, "none", 1)]) : ok(read.value);
}

/** As `readOneValue`; undefined when there is nothing but comments. UNTRUSTED: `text`. */
export function readOptionalValue(text: string | Uint8Array, file: string): Result<Document<JsonValue> | undefined, readonly Diagnostic[]> {
  const { documents, diagnostics } = readValues(text, file);
  const [first, second] = documents;
  if (diagnostics.length > 0) return err(diagnostics);
  if (second === undefined) return ok(first);
  return err([{ ...wrongCount(file, `${documents.length}`, second.line), hint: "keep one of them" }]);
}

const wrongCount = (file: string, count: string, line: number): Diagnostic => {
  const message = `expected one document, got ${count}`;
  return { code: "INPUT_COUNT", severity: "error", message, file, line, column: 1, length: 1 };
};
