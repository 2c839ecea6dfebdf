import fc from "fast-check";
import { expect, test } from "vitest";
import { evaluatorOf } from "../../../test/evaluate-expression.ts";
import { encodersLibrary } from "./encoders.ts";

const evaluate = evaluatorOf({ libraries: [encodersLibrary] });

test.each([
  ["base64.encode(b'hello') == 'aGVsbG8='", true],
  ["base64.decode('aGVsbG8=') == b'hello'", true],
  ["base64.decode('aGVsbG8') == b'hello'", true],
  ["base64.decode('') == b''", true],
  ["base64.decode('aGVs\\nbG8=') == b'hello'", true],
  ["base64.decode('aGVsbG8==')", "CEL_INVALID_ARGUMENT"],
  ["base64.decode('aGVsb=G8')", "CEL_INVALID_ARGUMENT"],
  ["base64.decode('a')", "CEL_INVALID_ARGUMENT"],
  ["base64.decode('_-')", "CEL_INVALID_ARGUMENT"],
])("%s is %j", (text, expected) => expect(evaluate(text).result).toBe(expected));

test("decoding undoes encoding", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const text = Buffer.from(bytes).toString("base64");
      expect(evaluate(`base64.encode(base64.decode('${text}'))`).result).toBe(text);
    }),
    { numRuns: 30 },
  );
});
