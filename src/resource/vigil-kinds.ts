/** The kinds of Vigil's own group, with the schemas that `vigil explain` shows. */
import { ACCESS_POLICY_SCHEMA } from "./access-policy-schema.ts";
import { ACCESS_ROLE_SCHEMA, ROLE_ASSIGNMENT_SCHEMA } from "./access-role-schema.ts";
import { type KnownKind, typeNameOf } from "./kubernetes-kinds.ts";
import { definitionSchema } from "./kubernetes-table.ts";
import { RUNTIME_POLICY_SCHEMA } from "./runtime-policy-schema.ts";
import type { Schema } from "./schema.ts";
import { TRUST_DOMAIN_SCHEMA } from "./trust-domain-schema.ts";
import { WORKLOAD_SCHEMA } from "./workload-schema.ts";

export const VIGIL_GROUP = "vigil.dev";
export const VIGIL_VERSION = "v1alpha1";

const NAMESPACED: ReadonlySet<string> = new Set(["AccessPolicy", "AccessRole", "RoleAssignment", "Workload"]);

interface VigilKind extends KnownKind {
  /** Of the whole object. */
  readonly schema: Schema;
}

function vigilKind(kind: string, plural: string, description: string, spec: Schema): VigilKind {
  const names = { group: VIGIL_GROUP, version: VIGIL_VERSION, kind };
  const schema: Schema = {
    type: "object",
    name: kind,
    description,
    properties: new Map<string, Schema>([
      ["apiVersion", { type: "string", description: `\`${VIGIL_GROUP}/${VIGIL_VERSION}\`` }],
      ["kind", { type: "string", description: `\`${kind}\`` }],
      ["metadata", definitionSchema("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")],
      ["spec", { ...spec, name: `${kind}Spec` }],
    ]),
    required: ["metadata", "spec"],
  };
  return { ...names, type: { plural, namespaced: NAMESPACED.has(kind), typeName: typeNameOf(names), subresources: new Map() }, schema };
}

/** All of them, in alphabetical order. */
export const vigilKinds = (): readonly VigilKind[] => [
  vigilKind(
    "AccessPolicy",
    "accesspolicies",
    "Who may call whom, enforced at every layer that can see enough to decide it",
    ACCESS_POLICY_SCHEMA,
  ),
  vigilKind("AccessRole", "accessroles", "What may be done to what, as data that conditions of access policies ask", ACCESS_ROLE_SCHEMA),
  vigilKind("RoleAssignment", "roleassignments", "Who has which roles", ROLE_ASSIGNMENT_SCHEMA),
  vigilKind(
    "RuntimePolicy",
    "runtimepolicies",
    "What processes must not do while they run, and what happens when they do",
    RUNTIME_POLICY_SCHEMA,
  ),
  vigilKind(
    "TrustDomain",
    "trustdomains",
    "A trust domain: its keys, whom it trusts, and what may be registered in it",
    TRUST_DOMAIN_SCHEMA,
  ),
  vigilKind("Workload", "workloads", "A workload: the processes that have all of its selectors get its identity", WORKLOAD_SCHEMA),
];
