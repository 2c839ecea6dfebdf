/** A snapshot: all policies in force, compiled. Immutable; a change makes a new one. */
import { createHash } from "node:crypto";
import type { KyvernoOptions } from "../cel/library/catalogue.ts";
import type { CompileOptions } from "../cel/program.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { sortDiagnostics } from "../lib/diagnostic.ts";
import { encodeJson } from "../lib/json.ts";
import { diagnose } from "../resource/document.ts";
import type { MutatingAdmissionPolicy } from "../resource/mutating-admission-policy.ts";
import type { MutatingAdmissionPolicyBinding } from "../resource/mutating-admission-policy-binding.ts";
import type { PolicyException } from "../resource/policy-exception.ts";
import type { PolicyResource } from "../resource/policy-resource.ts";
import type { Schema } from "../resource/schema.ts";
import type { ValidatingAdmissionPolicy } from "../resource/validating-admission-policy.ts";
import type { ValidatingAdmissionPolicyBinding } from "../resource/validating-admission-policy-binding.ts";
import { type CompileContext, compileAdmissionPolicy, compileKyvernoPolicy, policyKind } from "./compile-policy.ts";
import type { CompiledBinding, CompiledPolicy } from "./compiled-policy.ts";
import { createPolicyEnvironments } from "./policy-environment.ts";
import { PolicyIndex } from "./policy-index.ts";
import type { GroupVersionKind } from "./review.ts";

export interface Snapshot {
  /** SHA-256 of the content of the resources, whatever their order and files: 64 hexadecimal digits. */
  readonly id: string;
  /** In policy order: kind, namespace, name, with what is derived for Pod controllers after its origin. */
  readonly policies: readonly CompiledPolicy[];
  readonly validating: PolicyIndex;
  readonly mutating: PolicyIndex;
  /** Policies about JSON documents. */
  readonly json: readonly CompiledPolicy[];
  readonly schemaOf: (kind: GroupVersionKind) => Schema | undefined;
  /** What `time.now()` answers: the judge sets it to the time of its world. */
  readonly clock: { nowMs: number };
}

export interface SnapshotOptions extends Pick<KyvernoOptions, "random" | "parseYaml"> {
  /** How apply configurations are merged into objects of a kind; undefined for kinds that are not known. */
  readonly schemaOf: (kind: GroupVersionKind) => Schema | undefined;
  /** Default `auto`. */
  readonly backend?: CompileOptions["backend"];
  /**
   * A policy of Kubernetes' kinds without any binding is not in force. `bound` puts it in force for everything that it matches, as
   * Kyverno's command line does. Default `inactive`.
   */
  readonly unboundPolicies?: "inactive" | "bound";
}

/** Codes of what is wrong between resources. Each is a row in ERRORS.md. */
export type SnapshotErrorCode = "POLICY_DUPLICATE" | "POLICY_NOT_FOUND" | "POLICY_UNBOUND";

type AdmissionPolicy = ValidatingAdmissionPolicy | MutatingAdmissionPolicy;
type AdmissionBinding = ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding;

/**
 * Compiles resources. The snapshot is always usable: a policy that does not compile is in it as one that cannot be evaluated,
 * so that its failure policy decides. A caller who has an older snapshot keeps that one when there are errors among `diagnostics`.
 */
export function compileSnapshot(
  resources: readonly PolicyResource[],
  options: SnapshotOptions,
): { readonly snapshot: Snapshot; readonly diagnostics: readonly Diagnostic[] } {
  const diagnostics: Diagnostic[] = [];
  const clock = { nowMs: 0 };
  const environments = createPolicyEnvironments({ nowMs: () => clock.nowMs, random: options.random, parseYaml: options.parseYaml });
  const context: CompileContext = { environments, backend: options.backend, diagnostics };
  const present = withoutDuplicates(resources, diagnostics).sort(inPolicyOrder);
  const attachments = attachmentsOf(present);
  const policies = present.flatMap((resource) => compileResource(resource, attachments, options, context));
  warnOfLooseEnds(present, attachments, options, diagnostics);
  const kubernetes = policies.filter(({ mode }) => mode === "Kubernetes");
  const snapshot: Snapshot = {
    id: contentHash(present),
    policies,
    validating: new PolicyIndex(kubernetes.filter((policy) => phaseOf(policy) === "validate")),
    mutating: new PolicyIndex(kubernetes.filter((policy) => phaseOf(policy) === "mutate")),
    json: policies.filter(({ mode }) => mode === "JSON"),
    schemaOf: options.schemaOf,
    clock,
  };
  return { snapshot, diagnostics: sortDiagnostics(withoutRepeats(diagnostics)) };
}

export const phaseOf = ({ effect }: CompiledPolicy): "validate" | "mutate" => (effect.kind === "broken" ? effect.phase : effect.kind);

const KIND_ORDER = ["MutatingAdmissionPolicy", "MutatingPolicy", "ValidatingAdmissionPolicy", "ValidatingPolicy"];

function inPolicyOrder(a: PolicyResource, b: PolicyResource): number {
  const byKind = KIND_ORDER.indexOf(a.kind) - KIND_ORDER.indexOf(b.kind);
  return byKind || compareText(a.metadata.namespace, b.metadata.namespace) || compareText(a.metadata.name, b.metadata.name);
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const keyOf = ({ kind, metadata }: PolicyResource): string => `${kind} ${metadata.namespace}/${metadata.name}`;

function withoutDuplicates(resources: readonly PolicyResource[], diagnostics: Diagnostic[]): PolicyResource[] {
  const byKey = new Map<string, PolicyResource>();
  for (const resource of resources) {
    const key = keyOf(resource);
    const first = byKey.get(key);
    if (first === undefined) byKey.set(key, resource);
    else if (contentHash([first]) !== contentHash([resource])) {
      diagnostics.push(report(resource, "error", "POLICY_DUPLICATE", `is also in \`${first.document.file}\`, with another content`));
    }
  }
  return [...byKey.values()];
}

const describe = ({ kind, metadata }: PolicyResource): string => `${kind} \`${metadata.name}\``;

const report = (
  resource: PolicyResource,
  severity: Diagnostic["severity"],
  code: SnapshotErrorCode,
  message: string,
  hint?: string,
): Diagnostic => diagnose(resource.document, ["metadata", "name"], { code, severity, message: `${describe(resource)} ${message}`, hint });

/** Bindings and exceptions by the policy that they name (`targetKey`). */
interface Attachments {
  readonly bindings: ReadonlyMap<string, readonly AdmissionBinding[]>;
  readonly exceptions: ReadonlyMap<string, readonly PolicyException[]>;
}

const targetKey = (kind: string, name: string): string => `${kind} ${name}`;

const policyKindOf = (binding: AdmissionBinding): AdmissionPolicy["kind"] =>
  binding.kind === "ValidatingAdmissionPolicyBinding" ? "ValidatingAdmissionPolicy" : "MutatingAdmissionPolicy";

function attachmentsOf(resources: readonly PolicyResource[]): Attachments {
  const bindings = new Map<string, AdmissionBinding[]>();
  const exceptions = new Map<string, PolicyException[]>();
  const attach = <T>(to: Map<string, T[]>, key: string, item: T): void => {
    const list = to.get(key);
    if (list === undefined) to.set(key, [item]);
    else if (!list.includes(item)) list.push(item);
  };
  for (const resource of resources) {
    if (resource.kind === "PolicyException") {
      for (const { kind, name } of resource.policyRefs) attach(exceptions, targetKey(kind, name), resource);
    } else if (resource.kind === "ValidatingAdmissionPolicyBinding" || resource.kind === "MutatingAdmissionPolicyBinding") {
      attach(bindings, targetKey(policyKindOf(resource), resource.policyName), resource);
    }
  }
  return { bindings, exceptions };
}

function compileResource(
  resource: PolicyResource,
  { bindings, exceptions }: Attachments,
  options: SnapshotOptions,
  context: CompileContext,
): readonly CompiledPolicy[] {
  switch (resource.kind) {
    case "ValidatingAdmissionPolicy":
    case "MutatingAdmissionPolicy": {
      const own = bindings.get(targetKey(resource.kind, resource.metadata.name)) ?? [];
      const compiled = own.length === 0 && options.unboundPolicies === "bound" ? [EVERYWHERE] : own.map(compileBinding);
      return [compileAdmissionPolicy(resource, compiled, context)];
    }
    case "ValidatingPolicy":
    case "MutatingPolicy":
      return compileKyvernoPolicy(resource, exceptions.get(targetKey(policyKind(resource), resource.metadata.name)) ?? [], context);
    default:
      return [];
  }
}

const EVERYWHERE: CompiledBinding = { name: "", matchResources: undefined, paramRef: undefined, actions: ["Deny"] };

const compileBinding = (binding: AdmissionBinding): CompiledBinding => ({
  name: binding.metadata.name,
  matchResources: binding.matchResources,
  paramRef: binding.paramRef,
  actions: binding.kind === "ValidatingAdmissionPolicyBinding" ? binding.validationActions : ["Deny"],
});

/** Bindings and exceptions for what is not there, and policies that nothing puts in force. */
function warnOfLooseEnds(
  resources: readonly PolicyResource[],
  { bindings }: Attachments,
  options: SnapshotOptions,
  diagnostics: Diagnostic[],
): void {
  const present = new Set(
    resources.map((resource) => {
      const kind = resource.kind === "ValidatingPolicy" || resource.kind === "MutatingPolicy" ? policyKind(resource) : resource.kind;
      return targetKey(kind, resource.metadata.name);
    }),
  );
  const warn = (resource: PolicyResource, code: SnapshotErrorCode, message: string, hint?: string): void => {
    diagnostics.push(report(resource, "warning", code, message, hint));
  };
  for (const resource of resources) {
    if (resource.kind === "PolicyException") {
      for (const { kind, name } of resource.policyRefs) {
        if (!present.has(targetKey(kind, name))) warn(resource, "POLICY_NOT_FOUND", `exempts from ${kind} \`${name}\`, which is not here`);
      }
    } else if (resource.kind === "ValidatingAdmissionPolicyBinding" || resource.kind === "MutatingAdmissionPolicyBinding") {
      if (!present.has(targetKey(policyKindOf(resource), resource.policyName))) {
        warn(resource, "POLICY_NOT_FOUND", `binds \`${resource.policyName}\`, which is not here`);
      }
    } else if (resource.kind === "ValidatingAdmissionPolicy" || resource.kind === "MutatingAdmissionPolicy") {
      if (options.unboundPolicies === "bound" || bindings.has(targetKey(resource.kind, resource.metadata.name))) continue;
      const hint = `add a ${resource.kind}Binding with \`policyName: ${resource.metadata.name}\``;
      warn(resource, "POLICY_UNBOUND", "has no binding and is not in force", hint);
    }
  }
}

function withoutRepeats(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const byPlace = new Map(
    diagnostics.map((diagnostic) => [`${diagnostic.file}:${diagnostic.line}:${diagnostic.column}:${diagnostic.message}`, diagnostic]),
  );
  return [...byPlace.values()];
}

function contentHash(resources: readonly PolicyResource[]): string {
  const hash = createHash("sha256");
  for (const text of resources.map(({ document }) => encodeJson(document.value)).sort()) hash.update(text).update("\n");
  return hash.digest("hex");
}
