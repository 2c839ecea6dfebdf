import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { evaluatorOf } from "../../../../test/evaluate-expression.ts";
import { BYTES } from "../../type.ts";
import { gzipLibrary } from "./gzip.ts";

const bomb = Uint8Array.from(gzipSync("a".repeat(17 * 1024 * 1024)));
const evaluate = evaluatorOf(
  { libraries: [gzipLibrary], variables: { bomb: BYTES, binary: BYTES } },
  { bomb, binary: gzipSync(Uint8Array.of(0xff)) },
);

test.each([
  ["gzip.decompress(gzip.compress('hello 😀'))", "hello 😀"],
  ["gzip.decompress(b'hello')", "CEL_INVALID_ARGUMENT"],
  ["gzip.decompress(binary)", "CEL_INVALID_ARGUMENT"],
  ["gzip.decompress(bomb)", "CEL_INVALID_ARGUMENT"],
])("%s is %j", (text, expected) => expect(evaluate(text).result).toBe(expected));
