import { describe, expect, test } from "vitest";
import { parseSpiffeId, pathOf, trustDomainOf } from "../spiffe/spiffe-id.ts";
import type { Peer } from "./peer.ts";
import { compilePeerRule, parsePeerPattern } from "./peer-rule.ts";

function peer(text: string): Peer {
  const id = parseSpiffeId(text);
  if (!id.ok) throw id.error;
  return { id: id.value, trustDomain: trustDomainOf(id.value), path: pathOf(id.value), dnsNames: [], validUntilMs: 0, certificates: [] };
}

describe("patterns", () => {
  test.each([
    ["spiffe://a.test/web", "spiffe://a.test/web", true],
    ["spiffe://a.test/web", "spiffe://a.test/web/x", false],
    ["spiffe://a.test/web", "spiffe://b.test/web", false],
    ["spiffe://a.test/web", "spiffe://a.test/Web", false],
    ["spiffe://a.test/ns/*/sa/web", "spiffe://a.test/ns/shop/sa/web", true],
    ["spiffe://a.test/ns/*/sa/web", "spiffe://a.test/ns/shop/x/sa/web", false],
    ["spiffe://a.test/ns/*/sa/web", "spiffe://a.test/ns/sa/web", false],
    ["spiffe://a.test/ns/*", "spiffe://a.test/ns/shop", true],
    ["spiffe://a.test/ns/*", "spiffe://a.test/ns", false],
    ["spiffe://a.test/*", "spiffe://a.test/web", true],
    ["spiffe://a.test/*", "spiffe://a.test.evil/web", false],
    ["spiffe://a.test/**", "spiffe://a.test/ns/shop/sa/web", true],
    ["spiffe://a.test/**", "spiffe://b.test/web", false],
    ["spiffe://a.test/ns/**", "spiffe://a.test/ns/shop", true],
    ["spiffe://a.test/ns/**", "spiffe://a.test/ns", false],
    ["spiffe://a.test/ns/**", "spiffe://a.test/nsx/shop", false],
    ["spiffe://a.test/*/sa/**", "spiffe://a.test/x/sa/y/z", true],
    ["spiffe://a.test/any-segment", "spiffe://a.test/other", false],
  ])("%s and %s: %s", (pattern, id, fits) => {
    expect(compilePeerRule([pattern])(peer(id))).toBe(fits);
  });

  test.each([
    "",
    "*",
    "**",
    "spiffe://a.test",
    "spiffe://*/web",
    "spiffe://*",
    "spiffe://**",
    "spiffe://a.*/web",
    "spiffe://a.test/web*",
    "spiffe://a.test/**/web",
    "spiffe://a.test/***",
    "spiffe://A.test/web",
    "spiffe://a.test/web/",
    "spiffe://a.test/../web",
    "https://a.test/web",
  ])("%j is none", (text) => {
    const parsed = parsePeerPattern(text);
    expect(!parsed.ok && parsed.error.code).toBe("SERVICE_PEER_PATTERN");
    expect(() => compilePeerRule([text])).toThrow();
  });
});

test("a rule of no patterns lets nobody in", () => {
  expect(compilePeerRule([])(peer("spiffe://a.test/web"))).toBe(false);
});

test("a function decides itself", () => {
  const rule = compilePeerRule(({ path }) => path.startsWith("/ns/"));
  expect([rule(peer("spiffe://a.test/ns/x")), rule(peer("spiffe://a.test/web"))]).toEqual([true, false]);
});

test("more patterns than anyone writes are a mistake", () => {
  expect(() => compilePeerRule(Array.from({ length: 1_001 }, (_, index) => `spiffe://a.test/${index}`))).toThrow(RangeError);
});
