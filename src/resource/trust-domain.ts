/** TrustDomain of `vigil.dev/v1alpha1`: its keys, whom it trusts, and what may be registered and issued in it. */
import { parsePem } from "../lib/pem.ts";
import { type FederationEndpoint, parseFederationEndpoint } from "../spiffe/federation.ts";
import type { SpiffeId, TrustDomain } from "../spiffe/spiffe-id.ts";
import type { Document } from "./document.ts";
import { type Expression, expression } from "./expression.ts";
import type { Metadata } from "./metadata.ts";
import {
  checked,
  checkUnique,
  duration,
  listOf,
  nonEmptyText,
  oneOf,
  optional,
  record,
  required,
  type Shape,
  text,
  withDefault,
} from "./shape.ts";
import { authorityId, serialNumber, trustDomainName, workloadId } from "./spiffe-shape.ts";

export type KeyType = "ec-p256" | "ec-p384" | "rsa-2048" | "rsa-3072" | "rsa-4096";

/** How long keys of one kind live, and of which type they are; undefined: as the settings say. */
export interface KeyPolicy {
  readonly keyType: KeyType | undefined;
  readonly ttlMs: number | undefined;
}

/** A condition with the sentence that a refusal says. */
export interface IdentityRule {
  readonly name: string;
  readonly expression: Expression;
  readonly message: string | undefined;
}

export interface FederationRelation {
  readonly endpoint: FederationEndpoint;
  /** A SPIFFE bundle document (JSON text) to begin with. */
  readonly bundle: string | undefined;
}

export interface TrustDomainResource {
  readonly kind: "TrustDomain";
  readonly document: Document;
  /** `name` is the trust domain's. */
  readonly metadata: Metadata;
  readonly name: TrustDomain;
  readonly x509: KeyPolicy;
  readonly jwt: KeyPolicy;
  readonly wit: KeyPolicy;
  /** Of the published bundle; undefined: as the settings say. */
  readonly refreshHintMs: number | undefined;
  /** Of IDs that workloads do not name: a path with `{name}` and `{namespace}`. */
  readonly idTemplate: string;
  readonly federation: readonly FederationRelation[];
  /** All must hold for a workload to be registered. */
  readonly registration: readonly IdentityRule[];
  /** All must hold for an SVID to be issued. */
  readonly issuance: readonly IdentityRule[];
  readonly nodes: NodePolicy;
  readonly denied: Denied;
}

/** Which nodes may run agents, besides the local one. */
export interface NodePolicy {
  /** PEM: authorities whose certificates prove what a node is. */
  readonly x509Authorities: string | undefined;
  /** Identities that may exchange their SVID for that of an agent. */
  readonly spiffeIds: readonly SpiffeId[];
}

export interface Denied {
  readonly spiffeIds: readonly SpiffeId[];
  readonly serials: readonly string[];
  readonly authorityIds: readonly string[];
}

type Spec = Omit<TrustDomainResource, "kind" | "document" | "metadata" | "name">;
interface WrittenSpec extends Omit<Spec, "refreshHintMs" | "x509" | "jwt" | "wit"> {
  readonly refreshHint: number | undefined;
  readonly x509: WrittenKeyPolicy;
  readonly jwt: WrittenKeyPolicy;
  readonly wit: WrittenKeyPolicy;
}
interface WrittenKeyPolicy {
  readonly keyType: KeyType | undefined;
  readonly ttl: number | undefined;
}

export const DEFAULT_ID_TEMPLATE = "/{namespace}/{name}";
/** Shorter ones leave agents no time to renew. */
const MIN_KEY_TTL_MS = 60_000;
const MAX_KEY_TTL_MS: number = 3650 * 24 * 60 * 60 * 1000;
const MAX_RULES = 64;
const MAX_RELATIONS = 1000;
const MAX_DENIED = 100_000;

const keyPolicy: Shape<WrittenKeyPolicy> = record<WrittenKeyPolicy>({
  keyType: optional(oneOf("ec-p256", "ec-p384", "rsa-2048", "rsa-3072", "rsa-4096")),
  ttl: optional(duration(MIN_KEY_TTL_MS, MAX_KEY_TTL_MS)),
});

const rule: Shape<IdentityRule> = record<IdentityRule>({
  name: required(nonEmptyText),
  expression: required(expression),
  message: optional(nonEmptyText),
});

const rules: Shape<readonly IdentityRule[]> = checked(listOf(rule, { max: MAX_RULES }), (values, spot) =>
  checkUnique(values, spot, ({ name }) => name, "name"),
);

interface WrittenRelation {
  readonly trustDomain: TrustDomain;
  readonly url: string;
  readonly profile: "https_web" | "https_spiffe";
  readonly serverId: SpiffeId | undefined;
  readonly bundle: string | undefined;
}

const writtenRelation: Shape<WrittenRelation> = record<WrittenRelation>({
  trustDomain: required(trustDomainName),
  url: required(nonEmptyText),
  profile: required(oneOf("https_web", "https_spiffe")),
  serverId: optional(workloadId),
  bundle: optional(nonEmptyText),
});

const relation: Shape<FederationRelation> = (value, spot) => {
  const written = writtenRelation(value, spot);
  if (written === undefined) return undefined;
  const { bundle, ...parameters } = written;
  const endpoint = parseFederationEndpoint(parameters);
  if (endpoint.ok) return { endpoint: endpoint.value, bundle };
  spot.report("RESOURCE_INVALID_VALUE", `\`${spot.name}\`: ${endpoint.error.message}`, endpoint.error.hint);
  return undefined;
};

const relations: Shape<readonly FederationRelation[]> = checked(listOf(relation, { max: MAX_RELATIONS }), (values, spot) =>
  checkUnique(values, spot, ({ endpoint }) => endpoint.trustDomain, "trustDomain"),
);

const certificates: Shape<string> = checked(text, (read, spot) => {
  const blocks = parsePem(read);
  if (blocks.ok && blocks.value.length > 0 && blocks.value.every(({ label }) => label === "CERTIFICATE")) return;
  spot.report("RESOURCE_INVALID_VALUE", `expected certificates in PEM in \`${spot.name}\``);
});

const idTemplate: Shape<string> = checked(text, (read, spot) => {
  const filled = read.replaceAll(/\{(?:name|namespace)\}/g, "x");
  if (/^(?:\/[A-Za-z0-9._-]+)+$/.test(filled) && read.includes("{name}")) return;
  const hint = "such as `/ns/{namespace}/{name}`";
  spot.report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}\` to be a path with \`{name}\`, got \`${read}\``, hint);
});

const NO_DENIED: Denied = { spiffeIds: [], serials: [], authorityIds: [] };
const NO_NODES: NodePolicy = { x509Authorities: undefined, spiffeIds: [] };
const AS_SET: WrittenKeyPolicy = { keyType: undefined, ttl: undefined };

const writtenSpec: Shape<WrittenSpec> = record<WrittenSpec>({
  x509: withDefault(keyPolicy, AS_SET),
  jwt: withDefault(keyPolicy, AS_SET),
  wit: withDefault(keyPolicy, AS_SET),
  refreshHint: optional(duration(1_000, 24 * 60 * 60 * 1000)),
  idTemplate: withDefault(idTemplate, DEFAULT_ID_TEMPLATE),
  federation: withDefault(relations, []),
  registration: withDefault(rules, []),
  issuance: withDefault(rules, []),
  nodes: withDefault(
    record<NodePolicy>({
      x509Authorities: optional(certificates),
      spiffeIds: withDefault(listOf(workloadId, { max: MAX_RELATIONS }), []),
    }),
    NO_NODES,
  ),
  denied: withDefault(
    record<Denied>({
      spiffeIds: withDefault(listOf(workloadId, { max: MAX_DENIED }), []),
      serials: withDefault(listOf(serialNumber, { max: MAX_DENIED }), []),
      authorityIds: withDefault(listOf(authorityId, { max: MAX_DENIED }), []),
    }),
    NO_DENIED,
  ),
});

export const trustDomainSpec: Shape<Spec> = (value, spot) => {
  const written = writtenSpec(value, spot);
  if (written === undefined) return undefined;
  const { refreshHint, x509, jwt, wit, ...rest } = written;
  return { ...rest, refreshHintMs: refreshHint, x509: policyOf(x509), jwt: policyOf(jwt), wit: policyOf(wit) };
};

const policyOf = ({ keyType, ttl }: WrittenKeyPolicy): KeyPolicy => ({ keyType, ttlMs: ttl });
