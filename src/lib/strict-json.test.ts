import fc from "fast-check";
import { expect, test } from "vitest";
import { MAX_JSON_DEPTH, parseStrictJson } from "./strict-json.ts";

const outcomeOf = (text: string | Uint8Array): unknown => {
  const result = parseStrictJson(typeof text === "string" ? Buffer.from(text) : text);
  return result.ok ? result.value : result.error.code;
};
const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);

test.each([
  ["invalid UTF-8", Uint8Array.of(0x22, 0xc3, 0x28, 0x22), "JSON_UTF8"],
  ["an encoded surrogate", Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22), "JSON_UTF8"],
  ["an empty text", "", "JSON_SYNTAX"],
  ["a byte order mark", "\ufeff{}", "JSON_SYNTAX"],
  ["a truncated text", '{"a": [1, 2', "JSON_SYNTAX"],
  ["two values", "{} {}", "JSON_SYNTAX"],
  ["a name that stands twice", '{"a": 1, "b": {"a": 2}, "a": 3}', "JSON_DUPLICATE_NAME"],
  ["a name that stands twice under an escape", String.raw`{"ab": 1, "a\u0062": 2}`, "JSON_DUPLICATE_NAME"],
  ["a number as name that stands twice", '{"1": {}, "1": {}}', "JSON_DUPLICATE_NAME"],
  ["`__proto__`", '{"a": [{"__proto__": {}}]}', "JSON_FORBIDDEN_NAME"],
  ["`__proto__` under an escape", String.raw`{"\u005f_proto__": 1}`, "JSON_FORBIDDEN_NAME"],
  ["nesting beyond the limit", nested(MAX_JSON_DEPTH + 1), "JSON_DEPTH"],
  ["nesting of a megabyte", nested(500_000), "JSON_DEPTH"],
])("refuses %s", (_, text, code) => expect(outcomeOf(text)).toBe(code));

test.each(["null", '"__proto__"', String.raw`{"a:b": "c\":{\\", "\\": ":"}`, '{"a": {"a": {}}}', nested(MAX_JSON_DEPTH)])(
  "reads %s",
  (text) => expect(outcomeOf(text)).toEqual(JSON.parse(text)),
);

test("reads whatever JSON.stringify writes, spaced or not", () => {
  const strings = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom(":", '"', "\\", '\\":', "{}"));
  const values = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      strings,
      fc.double({ noNaN: true, min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER }),
      fc.array(tie("value")),
      fc.dictionary(
        strings.filter((s) => s !== "__proto__"),
        tie("value"),
        { noNullPrototype: true },
      ),
    ),
  })).value;
  fc.assert(
    fc.property(values, fc.constantFrom(undefined, 2, "\t"), (value, space) => {
      const text = JSON.stringify(value, null, space);
      expect(outcomeOf(text)).toEqual(JSON.parse(text));
    }),
  );
});

test.each([
  ["9007199254740991", 9_007_199_254_740_991],
  ["9007199254740993", 9_007_199_254_740_993n],
  ["-9223372036854775808", -9_223_372_036_854_775_808n],
  ["18446744073709551615", 18_446_744_073_709_551_615n],
  ["1000000000000000000000", 1e21],
  ["0.12345678901234567", 0.12345678901234566],
  ["9007199254740993.0", 9_007_199_254_740_992],
])("reads the number %s exactly where it fits into 64 bits", (text, value) =>
  expect(outcomeOf(`{"a": [${text}, "${text}"]}`)).toEqual({ a: [value, text] }),
);
