import fc from "fast-check";
import { expect, test } from "vitest";
import { NAMESPACE_LABEL } from "../../resource/cilium-selector.ts";
import type { LabelSelector } from "../../resource/label-selector.ts";
import { coversPeer } from "../conflict/peer-cover.ts";
import { sampleEnd } from "../conflict/sample-end.ts";
import { matchesDnsName, matchesPeer, type PeerMatch } from "./peer-match.ts";
import { NAMESPACE_LABEL_PREFIX, SERVICE_ACCOUNT_KEY } from "./security-labels.ts";

test.each([
  ["a.test", "a.test", true],
  ["a.test", "b.test", false],
  ["*", "a.b.test", true],
  ["*.test", "a.b.test", true],
  ["*.test", "test", false],
  ["+.test", "a.test", true],
  ["+.test", "a.b.test", false],
  ["+.test", "test", false],
  ["sub+.test", "sub.test", true],
  ["sub+.test", "suburb.test", true],
  ["sub+.test", "bus.test", false],
  ["+ab+ba+.test", "xabyybaz.test", true],
  ["+ab+ba+.test", "xaba.test", false],
  ["ab+ba.test", "aba.test", false],
  ["ab+ba.test", "abba.test", true],
  ["+.+.test", "a.b.test", true],
])("the pattern %s and the name %s: %s", (pattern, name, expected) => {
  expect(matchesDnsName(pattern, name)).toBe(expected);
});

const selectors = fc
  .record({
    labels: fc.dictionary(
      fc.constantFrom("app", NAMESPACE_LABEL, `${NAMESPACE_LABEL_PREFIX}team`, SERVICE_ACCOUNT_KEY),
      fc.constantFrom("a", "b"),
    ),
    expressions: fc.array(
      fc.record({
        key: fc.constantFrom("app", NAMESPACE_LABEL, SERVICE_ACCOUNT_KEY),
        operator: fc.constantFrom("In" as const, "NotIn" as const),
        values: fc.constant(["a"]),
      }),
      { maxLength: 2 },
    ),
  })
  .map(({ labels, expressions }): LabelSelector => ({ matchLabels: labels, matchExpressions: expressions }));

test("whoever is found for a selector over all security labels is meant by it, and one that covers another means all that it means", () => {
  const place = { side: "source", isSubject: true } as const;
  fc.assert(
    fc.property(selectors, selectors, (one, other) => {
      const [a, b] = [one, other].map((selector): PeerMatch => ({ kind: "security-labels", selector }));
      if (a === undefined || b === undefined) return;
      const both = sampleEnd([a, b], place);
      if (both !== undefined) expect(matchesPeer(a, both) && matchesPeer(b, both)).toBe(true);
      const sample = sampleEnd([a], place);
      if (sample === undefined || !coversPeer(b, a, place)) return;
      expect(matchesPeer(a, sample) && matchesPeer(b, sample)).toBe(true);
    }),
  );
});
