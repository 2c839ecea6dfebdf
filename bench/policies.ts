/** Policies for the benchmarks: made from the five expressions with other constants, compiled as the product does. */

import type { World } from "../src/policy/review.ts";
import { compileSnapshot, type Snapshot } from "../src/policy/snapshot.ts";
import { readDocuments } from "../src/resource/document.ts";
import { kubernetesSchemas } from "../src/resource/kubernetes-kinds.ts";
import { type PolicyResource, parsePolicyResource } from "../src/resource/policy-resource.ts";
import { CASES } from "./workload.ts";

/** Number i: one of e1 to e4 with constants of its own, so that no two policies are alike. All of them pass a good Deployment. */
export function expressionNumber(i: number): string {
  const text = CASES[i % 4]?.cel ?? "true";
  return `${text.replace("<= 5", `<= ${5 + i}`).replace("quay.io/", `quay-${i}.io/') || c.image.startsWith('quay.io/`)} || object.metadata.name == 'exempt-${i}'`;
}

/** As `expressionNumber`, and no two of one shape: each asks for a field of its own, so that nothing of their code can be shared. */
export const distinctExpression = (i: number): string => `!has(object.spec.field${i}) && (${expressionNumber(i)})`;

/** A ValidatingPolicy for Deployments with one validation. */
export const policyManifest = (i: number, expression: string): string => `
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: policy-${i}}
spec:
  autogen: {podControllers: {controllers: []}}
  validationActions: [Deny]
  matchConstraints: {resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}]}
  validations: [{expression: ${JSON.stringify(expression)}, message: "policy ${i} says no"}]
`;

export function policyResources(expressions: readonly string[]): readonly PolicyResource[] {
  const { documents } = readDocuments(expressions.map((expression, i) => policyManifest(i, expression)).join("---"), "<bench>");
  return documents.map((document) => {
    const parsed = parsePolicyResource(document);
    if (parsed.kind !== "policy") throw new Error(`not a policy: ${JSON.stringify(parsed)}`);
    return parsed.resource;
  });
}

export function snapshotOf(resources: readonly PolicyResource[]): Snapshot {
  const { snapshot, diagnostics } = compileSnapshot(resources, { schemaOf: kubernetesSchemas, random: () => 0, parseYaml: () => null });
  const first = diagnostics.find(({ severity }) => severity === "error");
  if (first !== undefined) throw new Error(first.message);
  return snapshot;
}

/** Knows one namespace and nothing else. */
export const WORLD: World = {
  namespace: (name) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name, labels: { "kubernetes.io/metadata.name": name } } }),
  objects: () => [],
  bindings: {},
  nowMs: Date.UTC(2026, 10, 1),
};
