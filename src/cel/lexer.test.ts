import fc from "fast-check";
import { expect, test } from "vitest";
import { tokenize } from "./lexer.ts";
import { TOKEN, type TokenKind } from "./token.ts";

const NAMES = new Map<TokenKind, string>(Object.entries(TOKEN).map(([name, kind]) => [kind, name]));

/** Tokens as `kind:text`, without the end. */
function scan(text: string): readonly string[] {
  const tokens = tokenize(text);
  if (!tokens.ok) return [`error ${tokens.error.start}-${tokens.error.end}`];
  const { kinds, starts, ends } = tokens.value;
  expect(kinds.at(-1)).toBe(TOKEN.end);
  return kinds.slice(0, -1).map((kind, index) => `${NAMES.get(kind)}:${text.slice(starts[index], ends[index])}`);
}

test.each([
  ["a.b", ["identifier:a", "dot:.", "identifier:b"]],
  ["in inner true truer null false_", ["in:in", "identifier:inner", "true:true", "identifier:truer", "null:null", "identifier:false_"]],
  [
    "1 12u 0xFf 0x1U 1.5 .5 1e9 2.5E-3",
    ["int:1", "uint:12u", "int:0xFf", "uint:0x1U", "double:1.5", "double:.5", "double:1e9", "double:2.5E-3"],
  ],
  ["1.size()", ["int:1", "dot:.", "identifier:size", "leftParen:(", "rightParen:)"]],
  ["1e 0xg 1ux", ["int:1", "identifier:e", "int:0", "identifier:xg", "uint:1u", "identifier:x"]],
  [
    "a<=b<c>=d>e==f!=!g",
    "identifier:a lessEqual:<= identifier:b less:< identifier:c greaterEqual:>= identifier:d greater:> identifier:e equal:== identifier:f notEqual:!= not:! identifier:g".split(
      " ",
    ),
  ],
  ["a&&b||c", ["identifier:a", "and:&&", "identifier:b", "or:||", "identifier:c"]],
  [".?[?{?", ["dot:.", "question:?", "leftBracket:[", "question:?", "leftBrace:{", "question:?"]],
  ["a // all of this\n+ b // and this", ["identifier:a", "plus:+", "identifier:b"]],
  ["\t\f\r\n a", ["identifier:a"]],
  ["'a' \"b\" '''c''' \"\"\"d\"\"\"", ["string:'a'", 'string:"b"', "string:'''c'''", 'string:"""d"""']],
  [String.raw`'\'' r'\' "\\"`, [String.raw`string:'\''`, String.raw`string:r'\'`, String.raw`string:"\\"`]],
  ["b'a' br'b' bR'''c''' R\"d\" rb", ["bytes:b'a'", "bytes:br'b'", "bytes:bR'''c'''", 'string:R"d"', "identifier:rb"]],
  ["'' '''''' \"\"\"a\"b\"\"\"", ["string:''", "string:''''''", 'string:"""a"b"""']],
  ["'''a\nb'''", ["string:'''a\nb'''"]],
  ["a.`b-c/d e.f`", ["identifier:a", "dot:.", "escapedIdentifier:`b-c/d e.f`"]],
])("%j is cut into tokens", (text, expected) => {
  expect(scan(text)).toEqual(expected);
});

test.each([
  ["a = b", 2, 3, "did you mean `==`?"],
  ["a & b", 2, 3, "did you mean `&&`?"],
  ["a | b", 2, 3, "did you mean `||`?"],
  ["a $ b", 2, 3, undefined],
  ["a 😁 b", 2, 4, undefined],
  ["'abc", 0, 4, "expected a closing `'`"],
  ["'abc\n'", 0, 4, "expected a closing `'`"],
  ["'abc\\", 0, 5, "expected a closing `'`"],
  ['"""abc""', 0, 8, 'expected a closing `"""`'],
  ["a.`b$`", 2, 5, "between backticks stand letters, digits, `_`, `.`, `-`, `/` and spaces"],
  ["a.``", 2, 4, "between backticks stand letters, digits, `_`, `.`, `-`, `/` and spaces"],
])("%j is refused from %d to %d", (text, start, end, hint) => {
  expect(tokenize(text)).toMatchObject({ ok: false, error: { start, end } });
  const tokens = tokenize(text);
  expect(tokens.ok ? undefined : tokens.error.hint).toBe(hint);
});

test("tokens of any text are in order and do not overlap", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
      const tokens = tokenize(text);
      if (!tokens.ok) return tokens.error.start <= tokens.error.end && tokens.error.end <= text.length;
      const { starts, ends } = tokens.value;
      return starts.every((start, index) => start >= (ends[index - 1] ?? 0) && start <= (ends[index] ?? 0));
    }),
  );
});
