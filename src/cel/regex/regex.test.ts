import { describe, expect, test } from "vitest";
import { cachedRegex, compileRegex, type Regex } from "./regex.ts";

function regex(pattern: string): Regex {
  const compiled = compileRegex(pattern);
  if (!compiled.ok) throw compiled.error;
  return compiled.value;
}

/** The whole match, then the groups, as text. */
function captured(pattern: string, text: string): readonly (string | null)[] | null {
  const match = regex(pattern).find(text);
  return match === null ? null : [match, ...match.groups].map((span) => span && text.slice(span.start, span.end));
}

describe("test", () => {
  test.each([
    { pattern: "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", yes: ["a", "a-b", "x0-y1"], no: ["", "-a", "a-", "A", "a\n", "a b"] },
    { pattern: "^(docker\\.io|gcr\\.io)/", yes: ["docker.io/x", "gcr.io/"], no: ["dockerxio/x", "x/docker.io/"] },
    { pattern: "a.c", yes: ["xabcx", "a😀c"], no: ["a\nc", "ac"] },
    { pattern: "(?s)a.c", yes: ["a\nc"], no: ["ac"] },
    { pattern: "(?m)^b$", yes: ["a\nb\nc", "b"], no: ["ab"] },
    { pattern: "^b$", yes: ["b"], no: ["a\nb\nc", "b\n"] },
    { pattern: "\\bfoo\\b", yes: ["foo", "a foo b", "-foo-"], no: ["foox", "_foo", "foo0"] },
    { pattern: "\\Bfoo", yes: ["xfoo", "_foo"], no: ["foo", "-foo"] },
    { pattern: "foo\\B", yes: ["foox"], no: ["foo", "foo é"] },
    { pattern: "\\d", yes: ["0"], no: ["\u0660"] },
    { pattern: "^\\pL+$", yes: ["éλж", "𝒳"], no: ["a1", ""] },
    { pattern: "^\\p{Greek}+$", yes: ["λ"], no: ["l"] },
    { pattern: "^[^\\P{Greek}x]$", yes: ["λ"], no: ["x", "l"] },
    { pattern: "(?i)straße", yes: ["STRAẞE", "straße"], no: ["STRASSE"] },
    { pattern: "(?i)k", yes: ["K", "\u212a"], no: ["x"] },
    { pattern: "(?i)[^k]", yes: ["x"], no: ["K", "\u212a"] },
    { pattern: "a(?i:b)c", yes: ["aBc", "abc"], no: ["Abc", "abC"] },
    { pattern: "(?i)a(?-i)b", yes: ["Ab"], no: ["aB"] },
    { pattern: "^.$", yes: ["😀", "x", "\ud83d"], no: ["", "xx", "\n"] },
    { pattern: "^[\\x{1F600}-\\x{1F64F}]+$", yes: ["😀😁"], no: ["x", "😀x"] },
    { pattern: "\\x{de00}", yes: ["\ude00"], no: ["😀"] },
    { pattern: "\\Q[a].*\\E$", yes: ["x[a].*"], no: ["a"] },
    { pattern: "^[]a]+$", yes: ["]a"], no: ["b"] },
    { pattern: "^\\101\\x42\\x{43}\\n$", yes: ["ABC\n"], no: ["ABC"] },
    { pattern: "a{,2}", yes: ["a{,2}"], no: ["aa"] },
    { pattern: "^(a|b){2,3}$", yes: ["ab", "bab"], no: ["a", "abab"] },
    { pattern: "(|a)+b", yes: ["b", "aab"], no: ["a"] },
    { pattern: "[^\\x00-\\x{10FFFF}]", yes: [], no: ["", "a"] },
    { pattern: "", yes: ["", "a"], no: [] },
    { pattern: "a|^b", yes: ["xa", "b"], no: ["xb"] },
    { pattern: "$^", yes: [""], no: ["a"] },
  ])("$pattern", ({ pattern, yes, no }) => {
    const compiled = regex(pattern);
    expect(yes.filter((text) => !compiled.test(text))).toEqual([]);
    expect(no.filter((text) => compiled.test(text))).toEqual([]);
  });

  test("plain text, anchored or not, is left to the string methods", () => {
    expect(regex("foo").literal).toEqual({ kind: "includes", text: "foo" });
    expect(regex("^a\\.b/.*").literal).toEqual({ kind: "startsWith", text: "a.b/" });
    expect(regex("(?s).*(\\Q.x\\E)$").literal).toEqual({ kind: "endsWith", text: ".x" });
    expect(regex("\\Afoo\\z").literal).toEqual({ kind: "equals", text: "foo" });
    expect(regex("^.*foo").literal).toBeNull();
    expect(regex("(?i)foo").literal).toBeNull();
    expect(regex("(?m)^foo").literal).toBeNull();
  });

  test("plain text gives the same answer as an automaton would", () => {
    expect(["foo", "xfoox", "fo"].map((text) => regex("fo{2}").test(text))).toEqual([true, true, false]);
    expect(["foo", "foox", "xfoo"].map((text) => regex("^foo").test(text))).toEqual([true, true, false]);
    expect(["foo", "foox", "xfoo"].map((text) => regex("foo$").test(text))).toEqual([true, false, true]);
    expect(["foo", "foox", "xfoo"].map((text) => regex("^foo$").test(text))).toEqual([true, false, false]);
  });
});

describe("find", () => {
  test.each([
    { pattern: "a+", text: "baaac", expected: ["aaa"] },
    { pattern: "a+?", text: "baaac", expected: ["a"] },
    { pattern: "(?U)a+", text: "baaac", expected: ["a"] },
    { pattern: "(?U)a+?", text: "baaac", expected: ["aaa"] },
    { pattern: "a|ab", text: "ab", expected: ["a"] },
    { pattern: "(a|ab)(c|bcd)?(d*)", text: "abcd", expected: ["abcd", "a", "bcd", ""] },
    { pattern: "(a*)*", text: "b", expected: ["", ""] },
    { pattern: "(a|b)*", text: "ab", expected: ["ab", "b"] },
    { pattern: "(|a)*", text: "aa", expected: ["", ""] },
    { pattern: "(a|.*?)*_", text: "c😀_", expected: ["c😀_", "c😀"] },
    { pattern: "x(?P<y>z)?", text: "ax", expected: ["x", null] },
    { pattern: "(?:(a)|b)*", text: "ab", expected: ["ab", "a"] },
    { pattern: "^(?:([^/]+)/)?([^:@]+)(?::([\\w.-]+))?$", text: "ghcr.io/app:v1", expected: ["ghcr.io/app:v1", "ghcr.io", "app", "v1"] },
    { pattern: "a$", text: "aab", expected: null },
  ])("$pattern in $text", ({ pattern, text, expected }) => {
    expect(captured(pattern, text)).toEqual(expected);
  });

  test("offsets are UTF-16 units, and assertions see what stands before the beginning", () => {
    expect(regex("b").find("😀b")).toEqual({ start: 2, end: 3, groups: [] });
    expect(regex("^a").find("aa", 1)).toBeNull();
    expect(regex("\\ba").find("aa", 1)).toBeNull();
    expect(regex("(?m)^a").find("\na", 1)).toEqual({ start: 1, end: 2, groups: [] });
    expect(regex("").find("a", 2)).toBeNull();
  });

  test("a text too long for the backtracker is searched by the other machine", () => {
    const padding = "😀ab".repeat(50_000);
    const match = regex("(x+)(y)?\\b").find(`${padding} xx`);
    expect(match).toEqual({
      start: padding.length + 1,
      end: padding.length + 3,
      groups: [{ start: padding.length + 1, end: padding.length + 3 }, null],
    });
  });

  test("names are in the order of the groups", () => {
    expect(regex("(?P<host>a)(b)(?<tag>c)").names).toEqual(["host", null, "tag"]);
  });

  test.each([
    { pattern: "a", text: "banana", expected: [1, 3, 5] },
    { pattern: "a*", text: "baac", expected: [0, 1, 4] },
    { pattern: "", text: "😀a", expected: [0, 2, 3] },
    { pattern: "^a", text: "aa", expected: [0] },
    { pattern: "$", text: "ab", expected: [2] },
  ])("findAll of $pattern in $text", ({ pattern, text, expected }) => {
    expect(
      regex(pattern)
        .findAll(text)
        .map((match) => match.start),
    ).toEqual(expected);
    expect(regex(pattern).findAll(text, 1)).toHaveLength(1);
  });
});

describe("refusal", () => {
  test.each([
    ["(", "REGEX_SYNTAX", 0],
    ["a)", "REGEX_SYNTAX", 1],
    ["a[b", "REGEX_SYNTAX", 1],
    ["[z-a]", "REGEX_SYNTAX", 1],
    ["[a-\\d]", "REGEX_SYNTAX", 3],
    ["[[:foo:]]", "REGEX_SYNTAX", 1],
    ["*a", "REGEX_SYNTAX", 0],
    ["(|*)", "REGEX_SYNTAX", 2],
    ["a**", "REGEX_SYNTAX", 2],
    ["a{2}{3}", "REGEX_SYNTAX", 4],
    ["a{3,2}", "REGEX_SYNTAX", 1],
    ["a{1001}", "REGEX_TOO_LARGE", 1],
    ["(a{100}){100}", "REGEX_TOO_LARGE", 8],
    ["((a{2}){3}){200}", "REGEX_TOO_LARGE", 11],
    ["\\", "REGEX_SYNTAX", 0],
    ["a\\q", "REGEX_SYNTAX", 1],
    ["\\C", "REGEX_SYNTAX", 0],
    ["\\Z", "REGEX_SYNTAX", 0],
    ["\\8", "REGEX_UNSUPPORTED", 0],
    ["(a)\\1", "REGEX_UNSUPPORTED", 3],
    ["x(?=a)", "REGEX_UNSUPPORTED", 1],
    ["(?!a)", "REGEX_UNSUPPORTED", 0],
    ["(?<=a)", "REGEX_UNSUPPORTED", 0],
    ["(?<!a)", "REGEX_UNSUPPORTED", 0],
    ["(?>a)", "REGEX_UNSUPPORTED", 0],
    ["(?x)a", "REGEX_SYNTAX", 0],
    ["(?i-)a", "REGEX_SYNTAX", 0],
    ["(?P<a>b)(?P<a>c)", "REGEX_SYNTAX", 8],
    ["(?P<a-b>c)", "REGEX_SYNTAX", 0],
    ["(?P<>c)", "REGEX_SYNTAX", 0],
    ["\\pX", "REGEX_SYNTAX", 0],
    ["\\p{Klingon}", "REGEX_SYNTAX", 0],
    ["\\p{", "REGEX_SYNTAX", 0],
    ["\\x{110000}", "REGEX_SYNTAX", 0],
    ["\\x4", "REGEX_SYNTAX", 0],
    ["(".repeat(300), "REGEX_TOO_LARGE", 250],
    ["a".repeat(20_000), "REGEX_TOO_LARGE", 16_384],
    ["a{1000}".repeat(40), "REGEX_TOO_LARGE", 0],
    ["(a)".repeat(5_000), "REGEX_TOO_LARGE", 0],
  ])("%s", (pattern, code, offset) => {
    const compiled = compileRegex(pattern);
    expect(compiled.ok ? "accepted" : [compiled.error.code, compiled.error.offset]).toEqual([code, offset]);
  });

  test("the hint names what to do instead", () => {
    const compiled = compileRegex("(a)\\1");
    expect(compiled.ok ? undefined : compiled.error.hint).toContain("linear time");
  });
});

test("cached patterns are remembered, refusals too, and the least recently used are forgotten", () => {
  const first = cachedRegex("cached-first");
  const refused = cachedRegex("(");
  expect(cachedRegex("(")).toBe(refused);
  for (let i = 0; i < 127; i++) {
    cachedRegex(`cached-${i}`);
    expect(cachedRegex("cached-first")).toBe(first);
  }
  expect(cachedRegex("(")).not.toBe(refused);
});
