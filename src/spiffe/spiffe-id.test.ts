import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { domainOf, expectOk, idOf } from "../../test/spiffe/trust-fixture.ts";
import { idOfTrustDomain, parseSpiffeId, parseTrustDomain, pathOf, spiffeIdOf, trustDomainOf } from "./spiffe-id.ts";

const CHARACTERS = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code));

describe("every character", () => {
  test("a trust domain takes a-z, 0-9, dot, dash and underscore alone", () => {
    const accepted = CHARACTERS.filter((character) => parseTrustDomain(`a${character}b`).ok).join("");
    expect(accepted).toBe("-.0123456789_abcdefghijklmnopqrstuvwxyz");
    expect(CHARACTERS.filter((character) => parseSpiffeId(`spiffe://a${character}b`).ok).join("")).toBe(
      "-./0123456789_abcdefghijklmnopqrstuvwxyz",
    );
  });

  test("a segment takes letters, digits, dot, dash and underscore alone", () => {
    const accepted = CHARACTERS.filter((character) => parseSpiffeId(`spiffe://a/x${character}y`).ok).join("");
    expect(accepted).toBe("-./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz");
  });

  test("characters beyond Latin are refused wherever they stand", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1 }), (text) => {
        const isAscii = /^[ -~]*$/.test(text);
        expect(parseSpiffeId(`spiffe://${text}`).ok && !isAscii).toBe(false);
        expect(parseSpiffeId(`spiffe://a/${text}`).ok && !isAscii).toBe(false);
      }),
    );
  });
});

/** The grammar of SPIFFE-ID §2 once more, written in another way. */
const GRAMMAR = /^spiffe:\/\/[a-z0-9._-]{1,255}(\/(?!\.{1,2}(\/|$))[a-zA-Z0-9._-]+)*$/;

test("the scanner agrees with the grammar on texts that are nearly right", () => {
  const piece = fc.constantFrom("a", "Z", "0", ".", "..", "-", "_", "/", "//", ":", "@", "?", "#", "%2e", " ", "é", "spiffe://");
  const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""));
  fc.assert(
    fc.property(fc.constantFrom("spiffe://", "spiffe://a", ""), text, (start, rest) => {
      expect(parseSpiffeId(start + rest).ok).toBe(GRAMMAR.test(start + rest));
    }),
    { numRuns: 2000 },
  );
});

const segment = fc.stringMatching(/^[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,8}$/);

test("an ID is made of its trust domain and its path, and taken apart again", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z0-9._-]{1,20}$/), fc.array(segment, { maxLength: 5 }), (name, segments) => {
      const domain = domainOf(name);
      const id = expectOk(spiffeIdOf(domain, segments));
      expect(trustDomainOf(id)).toBe(domain);
      expect(pathOf(id)).toBe(segments.map((part) => `/${part}`).join(""));
      expect(parseSpiffeId(id)).toEqual({ ok: true, value: id });
    }),
  );
});

test("the ID of a trust domain has no path", () => {
  expect(idOfTrustDomain(domainOf("a.test"))).toBe(idOf("spiffe://a.test"));
  expect(pathOf(idOf("spiffe://a.test"))).toBe("");
});

test.each(["a/b", "..", "", "x?", "%41"])("the segment %j cannot leave its place", (part) => {
  expect(spiffeIdOf(domainOf("a.test"), ["x", part]).ok).toBe(false);
});

test("messages show untrusted text on one short line", () => {
  const result = parseSpiffeId(`http://\n\u001b[31m${"x".repeat(1000)}`);
  expect(result.ok ? "" : result.error.message).toMatch(/^[ -~…§]{1,300}$/);
});
