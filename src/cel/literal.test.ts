import { expect, test } from "vitest";
import type { LiteralValue } from "./ast.ts";
import { parseExpression } from "./parser.ts";
import { sourceText } from "./source-text.ts";

function literalOf(text: string): LiteralValue | string {
  const parsed = parseExpression(sourceText(text), { macros: new Set() });
  if (!parsed.ok) return parsed.error.map((error) => `${error.code} ${error.column}+${error.length}`).join();
  return parsed.value.root.kind === "literal" ? parsed.value.root.value : parsed.value.root.kind;
}

test.each([
  ["0", 0n],
  ["9223372036854775807", 2n ** 63n - 1n],
  ["-9223372036854775808", -(2n ** 63n)],
  ["- 1", -1n],
  ["0xFF", 255n],
  ["-0x10", -16n],
  ["-0x8000000000000000", -(2n ** 63n)],
])("%s is an int", (text, value) => {
  expect(literalOf(text)).toEqual({ type: "int", value });
});

test.each([
  ["0u", 0n],
  ["0xFFu", 255n],
  ["18446744073709551615U", 2n ** 64n - 1n],
])("%s is a uint", (text, value) => {
  expect(literalOf(text)).toEqual({ type: "uint", value });
});

test.each([
  ["1.5", 1.5],
  [".5", 0.5],
  ["1e3", 1000],
  ["-2.5e-3", -0.0025],
  ["-0.0", -0],
])("%s is a double", (text, value) => {
  expect(literalOf(text)).toEqual({ type: "double", value });
});

test.each([
  ["'a\\n\\t\\r\\\\\\'\\\"\\?\\a\\b\\f\\v\\``'", "a\n\t\r\\'\"?\x07\b\f\v``"],
  [String.raw`'\x41\X42\u00e9\U0001F600\101'`, "ABé😀A"],
  [String.raw`r'\n\x'`, String.raw`\n\x`],
  ["'''a\r\nb\rc'''", "a\nb\nc"],
  ["r'''a\r\nb'''", "a\nb"],
  [String.raw`'\r\n'`, "\r\n"],
  ["'😀'", "😀"],
  ["''", ""],
  ['""""""', ""],
])("%j is a string", (text, value) => {
  expect(literalOf(text)).toEqual({ type: "string", value });
});

test.each([
  ["b'abc'", [97, 98, 99]],
  [String.raw`b'\xff\377\n'`, [255, 255, 10]],
  ["b'é'", [0xc3, 0xa9]],
  [String.raw`br'\xff'`, [92, 120, 102, 102]],
  ["B'''a\r\nb'''", [97, 10, 98]],
  ["b''", []],
])("%j is bytes", (text, bytes) => {
  expect(literalOf(text)).toEqual({ type: "bytes", value: Uint8Array.from(bytes) });
});

test.each([
  ["9223372036854775808", "CEL_LITERAL 1+19"],
  ["-9223372036854775809", "CEL_LITERAL 2+19"],
  ["0xFFFFFFFFFFFFFFFFF", "CEL_LITERAL 1+19"],
  ["18446744073709551616u", "CEL_LITERAL 1+21"],
  ["1e999", "CEL_LITERAL 1+5"],
  [String.raw`'a\q'`, "CEL_LITERAL 3+2"],
  [String.raw`'\xF'`, "CEL_LITERAL 2+2"],
  [String.raw`'\u12'`, "CEL_LITERAL 2+2"],
  [String.raw`'\ud800'`, "CEL_LITERAL 2+6"],
  [String.raw`'\U00110000'`, "CEL_LITERAL 2+10"],
  [String.raw`'\400'`, "CEL_LITERAL 2+2"],
  [String.raw`'\18'`, "CEL_LITERAL 2+2"],
  [String.raw`b'\u0041'`, "CEL_LITERAL 3+6"],
])("%s is refused", (text, expected) => {
  expect(literalOf(text)).toBe(expected);
});
