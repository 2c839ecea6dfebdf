/** From the bytes of a file to its text. */
import { Buffer } from "node:buffer";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { LineIndex } from "../lib/line-index.ts";
import { err, ok, type Result } from "../lib/result.ts";

const REPLACEMENT = "\uFFFD";

/** The text of UTF-8 bytes without a byte order mark, or why there is none. UNTRUSTED input. */
export function decodeText(input: string | Uint8Array, file: string, maxBytes: number): Result<string, Diagnostic> {
  const size = typeof input === "string" ? Buffer.byteLength(input) : input.length;
  if (size > maxBytes) {
    const message = `expected at most ${mebibytes(maxBytes)}, got ${mebibytes(size)}`;
    return err({ code: "RESOURCE_TOO_LARGE", severity: "error", message, file, line: 1, column: 1, length: 1, hint: "split the file" });
  }
  if (typeof input === "string") return ok(input.startsWith("\uFEFF") ? input.slice(1) : input);
  try {
    return ok(new TextDecoder("utf-8", { fatal: true }).decode(input));
  } catch {
    return err(locateInvalidByte(input, file));
  }
}

const mebibytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;

function locateInvalidByte(bytes: Uint8Array, file: string): Diagnostic {
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  const position = new LineIndex(text).locate(invalidOffset(bytes, text));
  const isUtf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  const hint = isUtf16 ? "the file is UTF-16: save it as UTF-8" : "save the file as UTF-8";
  return { code: "RESOURCE_ENCODING", severity: "error", message: "the text is not valid UTF-8", file, ...position, length: 1, hint };
}

/** The offset of the first replacement character that does not stand for itself. */
function invalidOffset(bytes: Uint8Array, text: string): number {
  let offset = 0;
  let byteOffset = 0;
  for (let found = text.indexOf(REPLACEMENT); found !== -1; found = text.indexOf(REPLACEMENT, offset)) {
    byteOffset += Buffer.byteLength(text.slice(offset, found));
    const isItself = bytes[byteOffset] === 0xef && bytes[byteOffset + 1] === 0xbf && bytes[byteOffset + 2] === 0xbd;
    if (!isItself) return found;
    byteOffset += 3;
    offset = found + 1;
  }
  return 0;
}
