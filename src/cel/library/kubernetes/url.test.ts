import fc from "fast-check";
import { expect, test } from "vitest";
import { evaluatorOf } from "../../../../test/evaluate-expression.ts";
import { urlLibrary } from "./url.ts";
import { isAuthority, parseUrl } from "./url-value.ts";

const evaluate = evaluatorOf({ libraries: [urlLibrary] });

test.each([
  ["isURL('https://user:pass@example.com:80/path?query=val#fragment')", true],
  ["['https://user:pass@example.com:80/path?query=val', '/absolute-path', '*', 'mailto:a@b.c', 'http:'].all(u, isURL(u))", true],
  ["['https://a:b:c/', '../relative-path', '', 'x', 'http://ho st/', 'http://[::1', '/%zz', ':x', '/a\\u0001'].exists(u, isURL(u))", false],
  ["url('../relative-path')", "CEL_INVALID_ARGUMENT"],
  ["url('HTTPS://Example.com/').getScheme()", "https"],
  ["url('/path').getScheme()", ""],
  ["url('https://example.com:80/').getHost()", "example.com:80"],
  ["url('https://[::1]:80/').getHost()", "[::1]:80"],
  ["url('https://[::1]:80/').getHostname()", "::1"],
  ["url('https://[fe80::1%25en0]/').getHostname()", "fe80::1%en0"],
  ["url('/path').getHostname()", ""],
  ["url('https://example.com:80/').getPort()", "80"],
  ["url('https://example.com/').getPort()", ""],
  ["url('https://example.com/path with spaces/').getEscapedPath()", "/path%20with%20spaces/"],
  ["url('https://example.com/a%2Fb').getEscapedPath()", "/a%2Fb"],
  ["url('https://example.com/é').getEscapedPath()", "/%C3%A9"],
  ["url('https://example.com').getEscapedPath()", ""],
  ["url('https://example.com/path?k1=a&k2=b&k2=c').getQuery() == {'k1': ['a'], 'k2': ['b', 'c']}", true],
  [
    "url('/?key with spaces=value+with%20spaces&flag&a;b=1&=x').getQuery() == {'key with spaces': ['value with spaces'], 'flag': [''], '': ['x']}",
    true,
  ],
  ["url('/?__proto__=1').getQuery()['__proto__']", ["1"]],
  ["url('https://example.com/path').getQuery() == {}", true],
  ["url('https://a.b/c?d') == url('https://a.b/c?d') && url('https://a.b/c') != url('https://a.b/C')", true],
])("%s is %j", (text, expected) => expect(evaluate(text).result).toEqual(expected));

test.each(["https://u:p@h.com:8/p/a?x=1#f", "/a%2Fb?", "mailto:a@b.c?subject=x", "file:///etc/passwd", "postgres://a:1,b:2/x", "*"])(
  "%s is written as it was",
  (text) => expect(parseUrl(text.replace("#f", ""))?.toString()).toBe(text.replace("#f", "")),
);

test("a URL that was written anew stays as it is", () => {
  fc.assert(
    fc.property(fc.webUrl({ withQueryParameters: true }), (text) => {
      const written = parseUrl(text)?.toString();
      expect(written).toBeDefined();
      expect(parseUrl(written ?? "")?.toString()).toBe(written);
    }),
  );
});

test("hosts and ports are authorities, other texts are not", () => {
  expect(["a.b:80", "[::1]:5000", "", "a%20b", "u@h", "a/b", "a?b"].map(isAuthority)).toEqual([
    true,
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
});
