/** The built-in packs as the product loads them: all their policies in one snapshot, their parameters as the world. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { worldOf } from "../../src/cmd/object-world.ts";
import type { World } from "../../src/policy/review.ts";
import { compileSnapshot, type Snapshot } from "../../src/policy/snapshot.ts";
import { type Document, readDocuments } from "../../src/resource/document.ts";
import { type PolicyResource, parsePolicyResource } from "../../src/resource/policy-resource.ts";

const PACKS = join(import.meta.dirname, "../../packs");

/** Throws when a pack does not load. `nowMs` is the time of the world. */
export function readPacks(nowMs: number): { readonly snapshot: Snapshot; readonly world: World } {
  const resources: PolicyResource[] = [];
  const others: Document[] = [];
  for (const file of globSync("*/*.yaml", { cwd: PACKS }).sort()) {
    const { documents, diagnostics } = readDocuments(readFileSync(join(PACKS, file)), file);
    if (diagnostics[0] !== undefined) throw new Error(`${file}: ${diagnostics[0].message}`);
    for (const document of documents) {
      const parsed = parsePolicyResource(document);
      if (parsed.kind === "refused") throw new Error(`${file}: ${parsed.diagnostics[0]?.message}`);
      if (parsed.kind === "policy") resources.push(parsed.resource);
      else others.push(document);
    }
  }
  const { snapshot, diagnostics } = compileSnapshot(resources, { schemaOf: () => undefined, random: () => 0, parseYaml: () => null });
  const first = diagnostics.find(({ severity }) => severity === "error");
  if (first !== undefined) throw new Error(`${first.file}:${first.line}: ${first.message}`);
  return {
    snapshot,
    world: worldOf(
      others.map(({ value }) => value),
      nowMs,
    ),
  };
}
