/** Conflicts of admission policies among files. */
import type { Diagnostic } from "../../lib/diagnostic.ts";
import type { AdmissionConflicts } from "../../policy/admission-conflict/admission-finding.ts";
import { findAdmissionConflicts } from "../../policy/admission-conflict/find-admission-conflicts.ts";
import type { ManifestTree } from "../../resource/manifest-tree.ts";
import { compilePolicySet } from "../compile-policy-set.ts";
import { policySetOf } from "../policy-set.ts";

/** Undefined when no document is an admission policy or an exception. A policy without a binding is taken to be in force. */
export function examineAdmission({
  documents,
}: ManifestTree): { readonly conflicts: AdmissionConflicts; readonly mistakes: readonly Diagnostic[] } | undefined {
  const set = policySetOf({ documents, diagnostics: [] });
  if (set.resources.length === 0 && set.diagnostics.length === 0) return undefined;
  const { snapshot, kinds, diagnostics } = compilePolicySet(set, "bound");
  const conflicts = findAdmissionConflicts(set.resources, snapshot, { kinds: kinds.all(), nowMs: Date.now() });
  return { conflicts, mistakes: diagnostics.filter(({ severity }) => severity === "error") };
}
