import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseCondition } from "./condition-parser.ts";

/** After falcosecurity/libs, `userspace/libsinsp/test/filter_parser.ut.cpp`. */
const ACCEPTED = [
  "  a",
  "(a)",
  "a and b and(c)",
  "(a)and(b)and(c)",
  "a or b or(c)",
  "(a.a exists and b)",
  "a.a=1 or b.b=2 and c",
  "not(not(a))",
  "not not a",
  "not(a)and(not(b))",
  "a.b = not",
  "a.b icontains 'bla'",
  "a.g in (1, 'a', b.c)",
  "fd.name=*.log",
  "a.b = a.a",
  "a and notb",
  "notz and a and b",
  "macro and not(not_macro)",
  "((macro) and (or_macro))",
  "evt.arg[0] contains /bin",
  "test.str = 0a!@#456:/\\.;!$%^&*[]{}|",
  "test.str[0a!@#456:/\\.;!$%^&*(){}|] = testval",
  "test.str['a aa'] = a",
  'test.str["test \\"with\\"escaping"] = a',
  "test.str = 'multiple escape single quote \\' \\\\'",
  "test.num >= 0x1A",
  "test.num < -1.5e+10",
  "test.list intersects (a, b)",
  "test.list in ()",
  "test.list in somelist",
  "test.path pmatch (/etc, /usr/*)",
  "tolower(test.str) = a",
  "len(toupper(test.str)) > 3",
  "test.str = val(test.other)",
  "test.str contains tolower(test.other)",
  "test.str startswith anyof (a, b)",
  'join(", ", (test.a, test.b)) = c',
  'concat(test.a, "x", test.b) = c',
  'getopt(proc.args, "nt:")[t] = value',
];
const REFUSED = [
  "",
  "a andb",
  "aand b",
  "a and b and",
  "a and b not",
  "and a",
  "a or b or",
  "a not b",
  "anot b",
  "(a)andnot(b)",
  "evt.arg[] contains /bin",
  "a.b = b = 1",
  "(a.b = 1",
  "a.a invalidoperator xxx",
  "macro > 12",
  "a.g in ( 1 ,, , b)",
  "#a and b",
  "fd.name=/var/lo);g/httpd.log",
  "test.str = a,",
  "test.str = 'open",
  "test.str = 'bad \\q'",
  "test.num > x",
  "tolower(test.str = a",
  "(".repeat(100_000),
];

describe("conditions", () => {
  test.each(ACCEPTED)("%j is one", (text) => {
    for (const spelled of [text, ` ${text} `, ` ${text} `.replaceAll(" ", "\n")])
      expect(parseCondition(spelled)).toMatchObject({ ok: true });
  });
  test.each(REFUSED)("%#: is none", (text) => {
    expect(parseCondition(text)).toMatchObject({ ok: false });
  });
  test("`and` binds closer than `or`, `not` closest", () => {
    expect(parseCondition("a or not b and c")).toMatchObject({
      value: { kind: "or", operands: [{ name: "a" }, { kind: "and", operands: [{ kind: "not" }, { name: "c" }] }] },
    });
  });
  test("values keep what is quoted, and its escapes are undone", () => {
    expect(parseCondition('a.b in (x, "y z", \'it\\\'s\', "\\x41\\n")')).toMatchObject({
      value: { right: { values: [{ text: "x", isQuoted: false }, { text: "y z", isQuoted: true }, { text: "it's" }, { text: "A\n" }] } },
    });
  });
  test("a mistake is told where it is", () => {
    expect(parseCondition("proc.name = a and proc.pid > x")).toMatchObject({ error: { start: 29, end: 30 } });
    expect(parseCondition("proc.name like a")).toMatchObject({ error: { start: 10, message: "expected an operator" } });
  });
  test("whatever it is given, it answers", () => {
    const words = fc.constantFrom(
      "a",
      "b.c",
      "and",
      "or",
      "not",
      "(",
      ")",
      "=",
      "in",
      "contains",
      "'",
      '"',
      "[",
      "]",
      ",",
      "val(",
      "\\",
      " ",
    );
    fc.assert(
      fc.property(fc.array(words, { maxLength: 40 }), (parts) => {
        expect(parseCondition(parts.join(" "))).toHaveProperty("ok");
      }),
    );
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(parseCondition(text)).toHaveProperty("ok");
      }),
    );
  });
});
