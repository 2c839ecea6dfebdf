import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ciliumExamples, DOCUMENT, networkPolicies } from "./network-policies.ts";

test("docs/network-policies.md is up to date; `node scripts/network-policies.ts` writes it", () => {
  expect(readFileSync(join(import.meta.dirname, "..", DOCUMENT), "utf8")).toBe(networkPolicies());
});

test("of Cilium's examples only what is about nodes, other protocols than HTTP and DNS, TLS and Envoy is refused, by name", () => {
  const refused = ciliumExamples().flatMap(({ file, refusal }) => (refusal === undefined ? [] : [{ file, ...refusal }]));
  expect(ciliumExamples().length).toBe(77);
  expect(refused.length).toBe(16);
  const named = /nodeSelector|kafka|listener|serverNames/;
  expect(refused.filter(({ message }) => !named.test(message))).toEqual([]);
  expect(refused.filter(({ code }) => code !== "RESOURCE_UNSUPPORTED_FIELD")).toEqual([]);
});
