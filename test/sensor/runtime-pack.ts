/** The policies of packs/runtime, compiled. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { compileRuntimePolicies, type RuntimeRules } from "../../src/policy/compile-runtime-policy.ts";
import { readDocuments } from "../../src/resource/document.ts";
import { parseRuntimePolicy } from "../../src/resource/runtime-policy.ts";

const PACK = join(import.meta.dirname, "../../packs/runtime");

export function readRuntimePack(): RuntimeRules {
  const policies = readdirSync(PACK)
    .filter((name) => name.endsWith(".yaml"))
    .flatMap((name) => readDocuments(readFileSync(join(PACK, name)), name).documents)
    .flatMap((document) => {
      const parsed = parseRuntimePolicy(document);
      return parsed.kind === "runtime" ? [parsed.resource] : [];
    });
  return compileRuntimePolicies(policies).rules;
}
