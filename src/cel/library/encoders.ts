/** cel-go's encoders (ext/encoders.go). */
import type { Library } from "../declaration.ts";
import { BYTES, STRING } from "../type.ts";
import type { CelValue } from "../value.ts";
import { bytes, declare, fail, func, string } from "./define.ts";

/** The standard alphabet, padded or not; line breaks are skipped, as in Go. */
function decodeBase64(text: string): CelValue {
  const digits = text.replaceAll(/[\r\n]/g, "");
  const isPadded = digits.endsWith("=");
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(digits) || (isPadded && digits.length % 4 !== 0) || digits.replaceAll("=", "").length % 4 === 1) {
    return fail("the string is not encoded in base64");
  }
  return Uint8Array.from(Buffer.from(digits, "base64"));
}

const encodeBase64 = (value: Uint8Array): string => Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");

export const encodersLibrary: Library = {
  name: "encoders",
  functions: [
    declare(
      "base64.decode",
      "The bytes that a string encodes in base64, with or without padding.",
      func("base64_decode_string", [string], BYTES, decodeBase64),
    ),
    declare("base64.encode", "The bytes in base64, with padding.", func("base64_encode_bytes", [bytes], STRING, encodeBase64)),
  ],
};
