/** Policies as people ask about them: what each is about, what it does, and what puts it in force. */
import { policyNote } from "../../resource/metadata.ts";
import type { MutatingAdmissionPolicyBinding } from "../../resource/mutating-admission-policy-binding.ts";
import type { PolicyException } from "../../resource/policy-exception.ts";
import type { PolicyResource } from "../../resource/policy-resource.ts";
import type { ValidatingAdmissionPolicyBinding } from "../../resource/validating-admission-policy-binding.ts";
import type { PolicySet } from "../policy-set.ts";

export type Binding = ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding;
export type Policy = Exclude<PolicyResource, Binding | PolicyException>;

export interface DescribedPolicy {
  readonly policy: Policy;
  readonly bindings: readonly Binding[];
  readonly exceptions: readonly PolicyException[];
  /** What a failed rule, or the policy, does: `Deny`, `Warn`, `Audit`, `mutate`; empty when it is not in force. */
  readonly actions: readonly string[];
  /** From the annotations `title`, `description`, `severity` and `category` of `policies.vigil.dev` or `policies.kyverno.io`. */
  readonly title: string;
  readonly description: string;
  readonly severity: string;
  readonly category: string;
}

/** Every policy of a set, in the order of their names. */
export function describePolicies({ resources }: Pick<PolicySet, "resources">): readonly DescribedPolicy[] {
  const policies = resources.filter(isPolicy).map((policy) => describePolicy(policy, resources));
  return policies.sort((a, b) => (nameOf(a.policy) < nameOf(b.policy) ? -1 : 1));
}

const isPolicy = (resource: PolicyResource): resource is Policy => !isBinding(resource) && resource.kind !== "PolicyException";
const isBinding = (resource: PolicyResource): resource is Binding => resource.kind.endsWith("Binding");

function describePolicy(policy: Policy, resources: readonly PolicyResource[]): DescribedPolicy {
  const bindings = resources
    .filter(isBinding)
    .filter((binding) => binding.kind === `${policy.kind}Binding` && binding.policyName === policy.metadata.name);
  const exceptions = resources
    .filter((resource) => resource.kind === "PolicyException")
    .filter(({ policyRefs }) => policyRefs.some(({ kind, name }) => kind.endsWith(policy.kind) && name === policy.metadata.name));
  const note = (name: string): string => policyNote(policy.metadata, name) ?? "";
  return {
    policy,
    bindings,
    exceptions,
    actions: actionsOf(policy, bindings),
    title: note("title"),
    description: note("description"),
    severity: note("severity"),
    category: note("category"),
  };
}

function actionsOf(policy: Policy, bindings: readonly Binding[]): readonly string[] {
  switch (policy.kind) {
    case "ValidatingPolicy":
      return policy.validationActions;
    case "MutatingPolicy":
      return ["mutate"];
    default:
      return [...new Set(bindings.flatMap(bindingActions))];
  }
}

const bindingActions = (binding: Binding): readonly string[] => ("validationActions" in binding ? binding.validationActions : ["mutate"]);

/** `baseline`, or `shop/limits` for a namespaced policy. */
export const nameOf = ({ metadata }: Policy): string =>
  metadata.namespace === "" ? metadata.name : `${metadata.namespace}/${metadata.name}`;
