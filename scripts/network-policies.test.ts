import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ciliumExamples, DOCUMENT, networkPolicies } from "./network-policies.ts";

test("docs/network-policies.md is up to date; `node scripts/network-policies.ts` writes it", () => {
  expect(readFileSync(join(import.meta.dirname, "..", DOCUMENT), "utf8")).toBe(networkPolicies());
});

test("of Cilium's examples only what is about nodes, other protocols than HTTP, TLS, Envoy and objects of a cluster is refused, by name", () => {
  const refused = ciliumExamples().flatMap(({ file, refusal }) => (refusal === undefined ? [] : [{ file, ...refusal }]));
  expect(ciliumExamples().length).toBe(77);
  expect(refused.length).toBe(27);
  const named = /nodeSelector|kafka|rules\.dns|listener|serverNames|toServices|fromRequires|kube-apiserver|`spec\.egress\[0\]\.auth`/;
  expect(refused.filter(({ message }) => !named.test(message))).toEqual([]);
  expect(refused.filter(({ code }) => code !== "RESOURCE_UNSUPPORTED_FIELD").map(({ file }) => file)).toEqual(["auth/auth.yaml"]);
});
