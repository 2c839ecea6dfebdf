/** The policies that Vigil runs: parsed once, here, or refused with file, line and column. */
import type { Diagnostic } from "../lib/diagnostic.ts";
import { closestName } from "../lib/suggestion.ts";
import { type Document, diagnose } from "./document.ts";
import type { Metadata } from "./metadata.ts";
import { type MutatingAdmissionPolicy, mutatingAdmissionPolicySpec } from "./mutating-admission-policy.ts";
import { type MutatingAdmissionPolicyBinding, mutatingAdmissionPolicyBindingSpec } from "./mutating-admission-policy-binding.ts";
import { type MutatingPolicy, mutatingPolicySpec } from "./mutating-policy.ts";
import { expiryOf, type PolicyException, policyExceptionSpec } from "./policy-exception.ts";
import { type ParseResource, resourceParser } from "./resource-root.ts";
import { Spot } from "./shape.ts";
import { type ValidatingAdmissionPolicy, validatingAdmissionPolicySpec } from "./validating-admission-policy.ts";
import { type ValidatingAdmissionPolicyBinding, validatingAdmissionPolicyBindingSpec } from "./validating-admission-policy-binding.ts";
import { type ValidatingPolicy, validatingPolicySpec } from "./validating-policy.ts";

/** A valid resource. CEL texts inside are not compiled yet. */
export type PolicyResource =
  | ValidatingAdmissionPolicy
  | ValidatingAdmissionPolicyBinding
  | MutatingAdmissionPolicy
  | MutatingAdmissionPolicyBinding
  | ValidatingPolicy
  | MutatingPolicy
  | PolicyException;

export type ParsedResource =
  | { readonly kind: "policy"; readonly resource: PolicyResource }
  /** Not of a policy family: a workload, a test, a parameter object. */
  | { readonly kind: "other" }
  | { readonly kind: "refused"; readonly diagnostics: readonly Diagnostic[] };

/** Codes of why a policy is refused as a whole. Each is a row in ERRORS.md. */
export type PolicyResourceErrorCode = "RESOURCE_UNSUPPORTED_KIND" | "RESOURCE_UNSUPPORTED_VERSION";

const KUBERNETES = "admissionregistration.k8s.io";
const KYVERNO = "policies.kyverno.io";
const KYVERNO_LEGACY = "kyverno.io";
const VERSIONS: readonly string[] = ["v1", "v1beta1", "v1alpha1"];

/** Kinds of the same families that Vigil does not run; to leave them out silently would be to enforce less than what is written. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  [`${KYVERNO}/ImageValidatingPolicy`, "image signatures are not verified yet"],
  [`${KYVERNO}/NamespacedImageValidatingPolicy`, "image signatures are not verified yet"],
  [`${KYVERNO}/GeneratingPolicy`, "Vigil generates no resources"],
  [`${KYVERNO}/NamespacedGeneratingPolicy`, "Vigil generates no resources"],
  [`${KYVERNO}/DeletingPolicy`, "Vigil deletes no resources"],
  [`${KYVERNO}/NamespacedDeletingPolicy`, "Vigil deletes no resources"],
  [`${KYVERNO_LEGACY}/ClusterPolicy`, "rewrite it as ValidatingPolicy or MutatingPolicy"],
  [`${KYVERNO_LEGACY}/Policy`, "rewrite it as NamespacedValidatingPolicy or NamespacedMutatingPolicy"],
  [`${KYVERNO_LEGACY}/PolicyException`, "rewrite it as PolicyException of policies.kyverno.io/v1"],
  [`${KYVERNO_LEGACY}/ClusterCleanupPolicy`, "Vigil deletes no resources"],
  [`${KYVERNO_LEGACY}/CleanupPolicy`, "Vigil deletes no resources"],
]);

const readValidatingPolicy = resourceParser("ValidatingPolicy", validatingPolicySpec);
const readMutatingPolicy = resourceParser("MutatingPolicy", mutatingPolicySpec);
const readPolicyException = resourceParser("PolicyException", policyExceptionSpec);

/** The namespaced variant of a policy is the policy with a namespace. */
const inNamespace =
  <R extends { readonly metadata: Metadata }>(read: ParseResource<R>): ParseResource<R & { readonly namespace: string }> =>
  (spot) => {
    const policy = read(spot);
    return policy === undefined ? undefined : { ...policy, namespace: policy.metadata.namespace || "default" };
  };

const inCluster =
  <R extends object>(read: ParseResource<R>): ParseResource<R & { readonly namespace: undefined }> =>
  (spot) => {
    const policy = read(spot);
    return policy === undefined ? undefined : { ...policy, namespace: undefined };
  };

const parsePolicyException: ParseResource<PolicyException> = (spot) => {
  const exception = readPolicyException(spot);
  return exception === undefined ? undefined : { ...exception, expiresAtMs: expiryOf(exception.expiresAtMs, exception.metadata, spot) };
};

const PARSERS: ReadonlyMap<string, ParseResource<PolicyResource>> = new Map<string, ParseResource<PolicyResource>>([
  [`${KUBERNETES}/ValidatingAdmissionPolicy`, resourceParser("ValidatingAdmissionPolicy", validatingAdmissionPolicySpec)],
  [
    `${KUBERNETES}/ValidatingAdmissionPolicyBinding`,
    resourceParser("ValidatingAdmissionPolicyBinding", validatingAdmissionPolicyBindingSpec),
  ],
  [`${KUBERNETES}/MutatingAdmissionPolicy`, resourceParser("MutatingAdmissionPolicy", mutatingAdmissionPolicySpec)],
  [`${KUBERNETES}/MutatingAdmissionPolicyBinding`, resourceParser("MutatingAdmissionPolicyBinding", mutatingAdmissionPolicyBindingSpec)],
  [`${KYVERNO}/ValidatingPolicy`, inCluster(readValidatingPolicy)],
  [`${KYVERNO}/NamespacedValidatingPolicy`, inNamespace(readValidatingPolicy)],
  [`${KYVERNO}/MutatingPolicy`, inCluster(readMutatingPolicy)],
  [`${KYVERNO}/NamespacedMutatingPolicy`, inNamespace(readMutatingPolicy)],
  [`${KYVERNO}/PolicyException`, parsePolicyException],
]);

/** Reads a document as a policy; says so when it is none, or when it is one that Vigil cannot run as it is written. */
export function parsePolicyResource(document: Document): ParsedResource {
  const { apiVersion, kind } = document.value;
  if (typeof apiVersion !== "string" || typeof kind !== "string") return { kind: "other" };
  const slash = apiVersion.indexOf("/");
  const group = apiVersion.slice(0, Math.max(0, slash));
  const version = apiVersion.slice(slash + 1);
  const name = `${group}/${kind}`;
  const refused = REFUSED.get(name);
  if (refused !== undefined) return refuse(document, "kind", "RESOURCE_UNSUPPORTED_KIND", `${kind} of ${group} is not supported`, refused);
  const parse = PARSERS.get(name);
  if (parse === undefined) {
    if (group !== KYVERNO) return { kind: "other" };
    const near = closestName(name, PARSERS.keys())?.slice(group.length + 1);
    const hint = near === undefined ? undefined : `did you mean \`${near}\`?`;
    return refuse(document, "kind", "RESOURCE_UNSUPPORTED_KIND", `${group} has no kind \`${kind}\` that is supported`, hint);
  }
  if (!VERSIONS.includes(version)) {
    const message = `expected version ${VERSIONS.join(", ")} of ${kind}, got \`${version}\``;
    return refuse(document, "apiVersion", "RESOURCE_UNSUPPORTED_VERSION", message);
  }
  const problems: Diagnostic[] = [];
  const resource = parse(new Spot(document, [], problems));
  return resource === undefined || problems.length > 0 ? { kind: "refused", diagnostics: problems } : { kind: "policy", resource };
}

function refuse(document: Document, field: string, code: PolicyResourceErrorCode, message: string, hint?: string): ParsedResource {
  return { kind: "refused", diagnostics: [diagnose(document, [field], { code, message, hint })] };
}
