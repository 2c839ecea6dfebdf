/** The built-in packs: all their policies in one snapshot, their parameters as the world. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { JsonObject } from "../../src/lib/json.ts";
import type { World } from "../../src/policy/review.ts";
import { compileSnapshot, type Snapshot } from "../../src/policy/snapshot.ts";
import { readDocuments } from "../../src/resource/document.ts";
import { kubernetesSchemas } from "../../src/resource/kubernetes-kinds.ts";
import { type PolicyResource, parsePolicyResource } from "../../src/resource/policy-resource.ts";

const PACKS = join(import.meta.dirname, "../../packs");

/** Throws when a pack does not load. `nowMs` is the time of the world. */
export function readPacks(nowMs: number): { readonly snapshot: Snapshot; readonly world: World } {
  const resources: PolicyResource[] = [];
  const others: JsonObject[] = [];
  for (const file of globSync("*/*.yaml", { cwd: PACKS }).sort()) {
    for (const document of readDocuments(readFileSync(join(PACKS, file)), file).documents) {
      const parsed = parsePolicyResource(document);
      if (parsed.kind === "policy") resources.push(parsed.resource);
      else others.push(document.value);
    }
  }
  const { snapshot, diagnostics } = compileSnapshot(resources, { schemaOf: kubernetesSchemas, random: () => 0, parseYaml: () => null });
  const first = diagnostics.find(({ severity }) => severity === "error");
  if (first !== undefined) throw new Error(`${first.file}:${first.line}: ${first.message}`);
  const objects = (apiVersion: string, kind: string): readonly JsonObject[] =>
    others.filter((object) => object["apiVersion"] === apiVersion && object["kind"] === kind);
  return { snapshot, world: { namespace: () => undefined, objects, bindings: {}, nowMs } };
}
