import { gunzipSync, gzipSync } from "node:zlib";
import { messageOf } from "../../../lib/error.ts";
import type { Library } from "../../declaration.ts";
import { decodeUtf8 } from "../../runtime/bytes.ts";
import { BYTES, STRING } from "../../type.ts";
import type { CelValue } from "../../value.ts";
import { traversal } from "../cost.ts";
import { bytes, declare, fail, func, string } from "../define.ts";
import { MAX_TEXT_LENGTH } from "../size-limit.ts";

function decompress(data: Uint8Array): CelValue {
  try {
    return decodeUtf8(gunzipSync(data, { maxOutputLength: MAX_TEXT_LENGTH }));
  } catch (thrown) {
    return fail(`cannot decompress: ${messageOf(thrown)}`);
  }
}

/** Kyverno's functions for compressed data. What decompresses to more than 16 MiB is refused. */
export const gzipLibrary: Library = {
  name: "kyverno.gzip",
  functions: [
    declare(
      "gzip.compress",
      "A string as gzip.",
      func("compress_any_bytes", [string], BYTES, (text) => Uint8Array.from(gzipSync(text)), traversal()),
    ),
    declare(
      "gzip.decompress",
      "The string that is in gzip data.",
      func("decompress_bytes_string", [bytes], STRING, decompress, traversal()),
    ),
  ],
};
