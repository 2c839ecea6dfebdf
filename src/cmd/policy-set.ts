/** Policies from files: what is to be compiled, and the objects beside them that they refer to. */
import { join } from "node:path";
import type { Diagnostic } from "../lib/diagnostic.ts";
import type { Document } from "../resource/document.ts";
import { type ManifestTree, readManifestTree } from "../resource/manifest-tree.ts";
import { type PolicyResource, parsePolicyResource } from "../resource/policy-resource.ts";
import { TEST_FOLDERS } from "./manifest-folders.ts";
import { PACKAGE_ROOT } from "./version.ts";

/** What `--policy` and `policies:` take beside paths: the packs that ship with Vigil, all or one (`builtin/rbac`). */
export const BUILT_IN = "builtin";

export interface PolicySet {
  readonly resources: readonly PolicyResource[];
  /** Parameters, namespaces, definitions: documents that are no policies. */
  readonly others: readonly Document[];
  readonly diagnostics: readonly Diagnostic[];
}

/** The paths that sources of policies mean: the built-in packs where there is none. */
export const policyPaths = (sources: readonly string[]): readonly string[] =>
  (sources.length === 0 ? [BUILT_IN] : sources).map((source) =>
    source === BUILT_IN || source.startsWith(`${BUILT_IN}/`) ? join(PACKAGE_ROOT, `packs${source.slice(BUILT_IN.length)}`) : source,
  );

/** Reads all policies of the sources; what cannot be read is a diagnostic. */
export const readPolicySet = async (sources: readonly string[]): Promise<PolicySet> =>
  policySetOf(await readManifestTree(policyPaths(sources), { without: TEST_FOLDERS }));

export function policySetOf(tree: Pick<ManifestTree, "documents" | "diagnostics">): PolicySet {
  const resources: PolicyResource[] = [];
  const others: Document[] = [];
  const diagnostics: Diagnostic[] = [...tree.diagnostics];
  for (const document of tree.documents) {
    const parsed = parsePolicyResource(document);
    if (parsed.kind === "policy") resources.push(parsed.resource);
    else if (parsed.kind === "other") others.push(document);
    else diagnostics.push(...parsed.diagnostics);
  }
  return { resources, others, diagnostics };
}
