/** The policies about who may call whom: parsed once, here, or refused with file, line and column. */
import type { Diagnostic } from "../lib/diagnostic.ts";
import { type AccessPolicy, accessPolicySpec } from "./access-policy.ts";
import { type AccessRole, accessRoleSpec, type RoleAssignment, roleAssignmentSpec } from "./access-role.ts";
import { type CiliumNetworkPolicy, parseCiliumNetworkPolicy } from "./cilium-network-policy.ts";
import {
  adminNetworkPolicySpec,
  baselineAdminNetworkPolicySpec,
  type ClusterNetworkPolicy,
  clusterNetworkPolicySpec,
} from "./cluster-network-policy.ts";
import { type Document, diagnose } from "./document.ts";
import { type KubernetesService, parseEndpointSlice, parseEndpoints, parseService, type ServiceEndpoints } from "./kubernetes-service.ts";
import { type NetworkPolicy, networkPolicySpec } from "./network-policy.ts";
import type { PolicyResourceErrorCode } from "./policy-resource.ts";
import { type ParseResource, resourceParser } from "./resource-root.ts";
import { Spot } from "./shape.ts";

export type AccessResource =
  | AccessPolicy
  | NetworkPolicy
  | ClusterNetworkPolicy
  | CiliumNetworkPolicy
  /** No policies, but what policies of Cilium name. */
  | KubernetesService
  | ServiceEndpoints
  /** What conditions ask with `roles.can`. */
  | AccessRole
  | RoleAssignment;

const BESIDE: ReadonlySet<AccessResource["kind"]> = new Set(["Service", "Endpoints", "EndpointSlice", "AccessRole", "RoleAssignment"]);

/** Whether it decides anything; Services, their endpoints and roles are only named by what does. */
export const isPolicy = ({ kind }: AccessResource): boolean => !BESIDE.has(kind);

export type ParsedAccessResource =
  | { readonly kind: "access"; readonly resource: AccessResource }
  /** Of no family that is about calls. */
  | { readonly kind: "other" }
  | { readonly kind: "refused"; readonly diagnostics: readonly Diagnostic[] };

/** By group, version and kind. */
const PARSERS: ReadonlyMap<string, ParseResource<AccessResource>> = new Map<string, ParseResource<AccessResource>>([
  ["vigil.dev/v1alpha1/AccessPolicy", resourceParser("AccessPolicy", accessPolicySpec)],
  ["vigil.dev/v1alpha1/AccessRole", resourceParser("AccessRole", accessRoleSpec)],
  ["vigil.dev/v1alpha1/RoleAssignment", resourceParser("RoleAssignment", roleAssignmentSpec)],
  ["networking.k8s.io/v1/NetworkPolicy", resourceParser("NetworkPolicy", networkPolicySpec)],
  ["policy.networking.k8s.io/v1alpha2/ClusterNetworkPolicy", resourceParser("ClusterNetworkPolicy", clusterNetworkPolicySpec)],
  ["policy.networking.k8s.io/v1alpha1/AdminNetworkPolicy", resourceParser("ClusterNetworkPolicy", adminNetworkPolicySpec)],
  ["policy.networking.k8s.io/v1alpha1/BaselineAdminNetworkPolicy", resourceParser("ClusterNetworkPolicy", baselineAdminNetworkPolicySpec)],
  ["cilium.io/v2/CiliumNetworkPolicy", parseCiliumNetworkPolicy],
  ["cilium.io/v2/CiliumClusterwideNetworkPolicy", parseCiliumNetworkPolicy],
  ["v1/Service", parseService],
  ["v1/Endpoints", parseEndpoints],
  ["discovery.k8s.io/v1/EndpointSlice", parseEndpointSlice],
]);

/** Reads a document as an access or network policy; says so when it is none, or when it is one that cannot be enforced as it is written. */
export function parseAccessResource(document: Document): ParsedAccessResource {
  const { apiVersion, kind } = document.value;
  if (typeof apiVersion !== "string" || typeof kind !== "string") return { kind: "other" };
  const parse = PARSERS.get(`${apiVersion}/${kind}`);
  if (parse === undefined) return otherVersionOf(document, apiVersion, kind) ?? { kind: "other" };
  const problems: Diagnostic[] = [];
  const resource = parse(new Spot(document, [], problems));
  return resource === undefined || problems.length > 0 ? { kind: "refused", diagnostics: problems } : { kind: "access", resource };
}

/** The kind in a version that is not read: to leave it out silently would be to enforce less than what is written. */
function otherVersionOf(document: Document, apiVersion: string, kind: string): ParsedAccessResource | undefined {
  const group = apiVersion.split("/")[0] ?? "";
  const known = [...PARSERS.keys()].map((name) => name.split("/")).filter(([g, , k]) => g === group && k === kind);
  if (known.length === 0) return undefined;
  const message = `expected version ${known.map(([, version]) => version).join(", ")} of ${kind}, got \`${apiVersion.slice(group.length + 1)}\``;
  const code: PolicyResourceErrorCode = "RESOURCE_UNSUPPORTED_VERSION";
  return { kind: "refused", diagnostics: [diagnose(document, ["apiVersion"], { code, message })] };
}
