/** What admission policies make of each other: mutations that clash, exceptions that exempt nothing. */
import type { KnownKind } from "../../resource/kubernetes-kinds.ts";
import type { PolicyException } from "../../resource/policy-exception.ts";
import type { PolicyResource } from "../../resource/policy-resource.ts";
import type { PolicyOrigin } from "../access/access-rule.ts";
import type { CompiledPolicy } from "../compiled-policy.ts";
import type { Snapshot } from "../snapshot.ts";
import { type AdmissionConflicts, originOfResource } from "./admission-finding.ts";
import { findMutationClashes } from "./mutation-clash.ts";
import { type ExceptionOptions, findUnreachableExceptions } from "./unreachable-exception.ts";

/** INVARIANT: the snapshot was compiled of the resources. */
export function findAdmissionConflicts(
  resources: readonly PolicyResource[],
  snapshot: Snapshot,
  options: ExceptionOptions & { readonly kinds: readonly KnownKind[] },
): AdmissionConflicts {
  const origins = new Map(resources.map((resource) => [keyOf(resource), originOfResource(resource)]));
  const originOf = ({ kind, namespace, name }: CompiledPolicy): PolicyOrigin =>
    origins.get(JSON.stringify([kind.replace(/^Namespaced/, ""), namespace, name])) ?? { policy: `${kind} ${name}`, rule: "", source: "" };
  const clashes = findMutationClashes(snapshot, options.kinds, originOf);
  const exceptions = resources.filter((resource): resource is PolicyException => resource.kind === "PolicyException");
  return { findings: [...clashes.findings, ...findUnreachableExceptions(exceptions, snapshot, options)], unknown: clashes.unknown };
}

/** Kinds without `Namespaced`, as resources have them. */
const keyOf = ({ kind, metadata: { namespace, name } }: PolicyResource): string => JSON.stringify([kind, namespace, name]);
