import type { CelError } from "../value.ts";
import { invalidArgument } from "./failure.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const encodeUtf8 = (text: string): Uint8Array => encoder.encode(text);

/** The text of UTF-8 bytes; an error when they are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | CelError {
  try {
    return decoder.decode(bytes);
  } catch {
    // A fatal decoder says so by throwing.
    return invalidArgument("bytes are not valid UTF-8");
  }
}

export function concatenate(a: Uint8Array, b: Uint8Array): Uint8Array {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}
