/** All access and network policies in force, as rules. Immutable; a change makes a new one. */
import { type Diagnostic, sortDiagnostics } from "../../lib/diagnostic.ts";
import type { AccessResource } from "../../resource/access-resource.ts";
import type { CiliumPeer } from "../../resource/cilium-network-policy.ts";
import {
  type AccessRule,
  type Direction,
  IN_FORCE,
  type Isolation,
  type RulesOfPolicy,
  TIERS,
  type Tier,
  type Watch,
} from "./access-rule.ts";
import type { Endpoint } from "./endpoint.ts";
import { rulesOfAccessPolicy } from "./from-access-policy.ts";
import { rulesOfCiliumNetworkPolicy } from "./from-cilium-network-policy.ts";
import { rulesOfClusterNetworkPolicy } from "./from-cluster-network-policy.ts";
import { rulesOfNetworkPolicy } from "./from-network-policy.ts";
import type { NameRule } from "./name-rule.ts";
import { type RoleTable, roleTableOf } from "./role-table.ts";
import { ServiceTable } from "./service-table.ts";

export interface AccessSet {
  readonly rules: { readonly [D in Direction]: { readonly [T in Tier]: readonly AccessRule[] } };
  readonly isolations: { readonly [D in Direction]: readonly Isolation[] };
  readonly watches: readonly Watch[];
  /** Which names may be asked for; empty where no policy speaks of names. */
  readonly nameRules: readonly NameRule[];
  /** What conditions know as `roles`. */
  readonly roles: RoleTable;
  /** Whether some rule is not in force for everybody and for ever. */
  readonly hasRollouts: boolean;
  /** What applies where no policy speaks. */
  defaultOf(endpoint: Endpoint): "allow" | "deny";
}

export interface AccessSetOptions {
  /** Trust domains whose workloads are default-deny in both directions. Default: none. */
  readonly deniedByDefault?: readonly string[];
}

/**
 * Compiles resources. What does not compile is among `diagnostics` and grants nothing: its isolations stay, so that a mistake in an allow
 * closes and never opens. A caller who has an older set keeps that one when there are errors.
 */
export function compileAccessSet(
  resources: readonly AccessResource[],
  { deniedByDefault = [] }: AccessSetOptions = {},
): { readonly set: AccessSet; readonly diagnostics: readonly Diagnostic[] } {
  const diagnostics: Diagnostic[] = [];
  const services = new ServiceTable(resources);
  const parts = resources.map((resource) => {
    const part = namesServices(resource) ? compiledWith(resource, services) : compiledOnce(resource);
    diagnostics.push(...part.diagnostics);
    return part;
  });
  const rules = parts.flatMap((part) => part.rules).sort(inTierOrder);
  const isolations = parts.flatMap((part) => part.isolations);
  const ofDirection = (direction: Direction): AccessSet["rules"][Direction] => {
    const own = rules.filter((rule) => rule.direction === direction);
    const [deny, admin, access, baseline] = TIERS.map((tier) => own.filter((rule) => rule.tier === tier));
    return { deny: deny ?? [], admin: admin ?? [], access: access ?? [], baseline: baseline ?? [] };
  };
  const roles = roleTableOf(resources);
  diagnostics.push(...roles.diagnostics);
  const denied = new Set(deniedByDefault);
  const set: AccessSet = {
    rules: { ingress: ofDirection("ingress"), egress: ofDirection("egress") },
    isolations: {
      ingress: isolations.filter(({ direction }) => direction === "ingress"),
      egress: isolations.filter(({ direction }) => direction === "egress"),
    },
    watches: parts.flatMap((part) => part.watches),
    nameRules: parts.flatMap((part) => part.nameRules),
    roles,
    hasRollouts: [...rules, ...isolations].some(({ rollout }) => rollout !== IN_FORCE),
    defaultOf: ({ trustDomain }) => (denied.has(trustDomain) ? "deny" : "allow"),
  };
  return { set, diagnostics: sortDiagnostics(diagnostics) };
}

interface CompiledResource extends RulesOfPolicy {
  readonly diagnostics: readonly Diagnostic[];
}

/** A resource never changes; its rules stay the same objects, by which others see what a change has touched. */
const COMPILED = new WeakMap<AccessResource, CompiledResource>();

function compiledOnce(resource: AccessResource): CompiledResource {
  const known = COMPILED.get(resource);
  if (known !== undefined) return known;
  const compiled = compiledWith(resource, NO_SERVICES);
  COMPILED.set(resource, compiled);
  return compiled;
}

const NO_SERVICES = new ServiceTable([]);

function compiledWith(resource: AccessResource, services: ServiceTable): CompiledResource {
  const diagnostics: Diagnostic[] = [];
  return { ...rulesOf(resource, services, diagnostics), diagnostics };
}

/** Whether what a policy means depends on other resources. */
const namesServices = (resource: AccessResource): boolean =>
  (resource.kind === "CiliumNetworkPolicy" || resource.kind === "CiliumClusterwideNetworkPolicy") &&
  resource.specs.some(({ rules }) => rules.some(({ peers = [] }) => peers.some(namesService)));

function namesService(peer: CiliumPeer): boolean {
  const entity = peer.kind === "entity" ? peer : peer.kind === "endpoints" && peer.selector.kind === "entity" ? peer.selector : undefined;
  return peer.kind === "service" || peer.kind === "services" || entity?.entity === "kube-apiserver";
}

const NOTHING: RulesOfPolicy = { rules: [], isolations: [], watches: [], nameRules: [] };

function rulesOf(resource: AccessResource, services: ServiceTable, diagnostics: Diagnostic[]): RulesOfPolicy {
  switch (resource.kind) {
    case "AccessPolicy":
      return rulesOfAccessPolicy(resource, diagnostics);
    case "NetworkPolicy":
      return rulesOfNetworkPolicy(resource);
    case "ClusterNetworkPolicy":
      return rulesOfClusterNetworkPolicy(resource);
    case "CiliumNetworkPolicy":
    case "CiliumClusterwideNetworkPolicy":
      return rulesOfCiliumNetworkPolicy(resource, services, diagnostics);
    case "Service":
    case "Endpoints":
    case "EndpointSlice":
    case "AccessRole":
    case "RoleAssignment":
      return NOTHING;
    default:
      return resource satisfies never;
  }
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const inTierOrder = (a: AccessRule, b: AccessRule): number =>
  a.priority - b.priority || compareText(a.origin.policy, b.origin.policy) || a.order - b.order;
