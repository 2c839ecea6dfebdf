/** Files and standard input, as commands are given them. */
import { readFileSync, statSync } from "node:fs";
import { sourceText } from "../cel/source-text.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { messageOf, VigilError } from "../lib/error.ts";
import type { JsonValue } from "../lib/json.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { readYaml } from "../lib/yaml/reader.ts";
import type { Terminal } from "./terminal.ts";

export type InputErrorCode = "INPUT_UNREADABLE" | "INPUT_TOO_LARGE" | "INPUT_ENCODING" | "INPUT_COUNT";

/** What a diagnostic calls standard input. */
export const STANDARD_INPUT = "<stdin>";
const MAX_BYTES = 64 * 1024 * 1024;

/** The bytes of a file, or of standard input for `-`. Throws an `InputErrorCode`. */
export function readInput(path: string, terminal: Terminal): Uint8Array {
  const file = path === "-" ? STANDARD_INPUT : path;
  let bytes: Uint8Array;
  try {
    if (path !== "-" && statSync(path).size > MAX_BYTES) throw tooLarge(file);
    bytes = path === "-" ? terminal.readInput() : readFileSync(path);
  } catch (error) {
    if (error instanceof VigilError) throw error;
    throw new VigilError<InputErrorCode>("INPUT_UNREADABLE", `cannot read \`${file}\`: ${messageOf(error)}`, { cause: error });
  }
  if (bytes.length > MAX_BYTES) throw tooLarge(file);
  return bytes;
}

const tooLarge = (file: string): VigilError<InputErrorCode> =>
  new VigilError("INPUT_TOO_LARGE", `\`${file}\` is larger than 64 MiB`, { hint: "split it" });

/** The one value that a YAML or JSON text holds, or why it holds none. UNTRUSTED: `bytes`. */
export function readValue(bytes: Uint8Array, file: string): Result<JsonValue, readonly Diagnostic[]> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    // Its error says no more than that.
    const message = `expected UTF-8, got other bytes`;
    return err([{ code: "INPUT_ENCODING", severity: "error", message, file, line: 1, column: 1, length: 1 }]);
  }
  const { documents, errors } = readYaml(text);
  const source = sourceText(text, file);
  const [first, second] = documents;
  if (errors.length > 0) {
    return err(errors.map(({ offset, ...error }) => ({ severity: "error", file, ...source.locate(offset), ...error })));
  }
  if (first === undefined || second !== undefined) {
    const message = `expected one document, got ${documents.length === 0 ? "none" : documents.length}`;
    const place = source.locate(second?.start ?? 0);
    return err([{ code: "INPUT_COUNT", severity: "error", message, file, ...place, length: 1, hint: "keep one of them" }]);
  }
  return ok(first.value);
}
