/** AccessPolicy of `vigil.dev/v1alpha1`: who may call what. Written once, enforced at every layer that can see enough to decide it. */
import { type IpPrefix, parseIpPrefix, prefixContains } from "../lib/ip-network.ts";
import type { Document } from "./document.ts";
import { type Expression, expression } from "./expression.ts";
import { type LabelSelector, labelSelector } from "./label-selector.ts";
import type { Metadata } from "./metadata.ts";
import { type PortSpec, portSpec } from "./port-spec.ts";
import {
  checked,
  integer,
  listOf,
  nonEmptyText,
  oneOf,
  optional,
  record,
  required,
  type Shape,
  type Spot,
  text,
  textMap,
  timestamp,
  withDefault,
} from "./shape.ts";

export interface AccessPolicy {
  readonly kind: "AccessPolicy";
  readonly document: Document;
  readonly metadata: Metadata;
  /** What is called: any of these. Workloads become default-deny for incoming calls by being named here in an Allow. */
  readonly to: readonly AccessPeer[];
  /** Who calls: any of these. */
  readonly from: readonly AccessPeer[];
  /** Empty: any port of any protocol. */
  readonly ports: readonly PortSpec[];
  /** `Audit` reports what it matches and changes no verdict. Default `Allow`. */
  readonly action: "Allow" | "Deny" | "Audit";
  /** CEL over `source`, `destination`, `connection`, `request`, `claims`, `tenant`, `permissions`; undefined: always. */
  readonly when: Expression | undefined;
  /** `Audit` reports what the policy would deny and drops nothing. Default `Enforce`. */
  readonly mode: "Enforce" | "Audit";
  /** While it is rolled out: the share of sources, in percent, for which it is enforced; the others are audited. Default 100. */
  readonly enforcedPercent: number;
  /** From when on it allows or denies nothing, in milliseconds since the epoch; undefined: never. Whom an Allow selects stays default-deny. */
  readonly expiresAtMs: number | undefined;
  /** For people. */
  readonly owner: string;
}

/** One end of a call, as a policy names it. */
export type AccessPeer =
  /** Workloads by name, by labels, or by both; `namespace` undefined means the policy's own, or any where it has none; `*` means any. */
  | { readonly kind: "workload"; readonly namespace: string | undefined; readonly name: string | undefined; readonly labels: LabelSelector }
  /** `spiffe://domain/path`; `*` stands for one segment, a final `**` for any rest. */
  | { readonly kind: "spiffe-id"; readonly pattern: string }
  | { readonly kind: "trust-domain"; readonly domain: string }
  /** Addresses, whoever has them. */
  | { readonly kind: "network"; readonly prefix: IpPrefix; readonly except: readonly IpPrefix[] }
  /** A DNS name; a leading `*.` stands for one or more labels. */
  | { readonly kind: "dns"; readonly pattern: string }
  /** `world`: what is no known workload and not this host. `host`: this host outside of workloads. `any`: everything. */
  | { readonly kind: "entity"; readonly entity: "world" | "host" | "any" };

interface WrittenPeer {
  readonly workload: string | undefined;
  readonly labels: { readonly [key: string]: string } | undefined;
  readonly selector: LabelSelector | undefined;
  readonly namespace: string | undefined;
  readonly spiffeId: string | undefined;
  readonly trustDomain: string | undefined;
  readonly cidr: IpPrefix | undefined;
  readonly except: readonly IpPrefix[];
  readonly dns: string | undefined;
  readonly entity: "world" | "host" | "any" | undefined;
}

/** A network such as `10.0.0.0/8`, or one address. */
export const network: Shape<IpPrefix> = (value, spot) => {
  const read = text(value, spot);
  if (read === undefined) return undefined;
  const prefix = parseIpPrefix(read) ?? parseIpPrefix(`${read}/${read.includes(":") ? 128 : 32}`);
  if (prefix === undefined)
    spot.report(
      "RESOURCE_INVALID_VALUE",
      `expected \`${spot.name}\` to be a network, got \`${read}\``,
      "write it as `10.0.0.0/8` or `fd00::/8`",
    );
  return prefix;
};

/** Longer than any name that a resolver takes (RFC 1035 §2.3.4). */
const MAX_DNS_NAME = 253;

/** A DNS name in lower case; a leading `*.` stands for one or more labels. */
export const dnsPattern: Shape<string> = (value, spot) => {
  const read = nonEmptyText(value, spot);
  if (read === undefined) return undefined;
  const name = read.toLowerCase().replace(/\.$/, "");
  if (name.length <= MAX_DNS_NAME && /^(?:\*|[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/.test(name))
    return name;
  spot.report(
    "RESOURCE_INVALID_VALUE",
    `expected \`${spot.name}\` to be a DNS name, got \`${read}\``,
    "`*` may stand for the first label only",
  );
  return undefined;
};

const PATTERN = /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/(?:\*|[a-zA-Z0-9._-]+))*(?:\/\*\*)?$/;
const MAX_SPIFFE_PATTERN = 2048;

const spiffePattern: Shape<string> = (value, spot) => {
  const read = nonEmptyText(value, spot);
  if (read === undefined) return undefined;
  if (read.length <= MAX_SPIFFE_PATTERN && PATTERN.test(read)) return read;
  const hint = "`*` stands for one segment, a final `/**` for any rest: `spiffe://shop.test/payments/*`";
  spot.report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}\` to be a pattern of SPIFFE IDs, got \`${read}\``, hint);
  return undefined;
};

const writtenPeer: Shape<WrittenPeer> = record<WrittenPeer>({
  workload: optional(nonEmptyText),
  labels: optional(textMap),
  selector: optional(labelSelector),
  namespace: optional(nonEmptyText),
  spiffeId: optional(spiffePattern),
  trustDomain: optional(nonEmptyText),
  cidr: optional(network),
  except: withDefault(listOf(network, { max: 1_000 }), []),
  dns: optional(dnsPattern),
  entity: optional(oneOf("world", "host", "any")),
});

const WAYS = "`workload`, `labels`, `selector`, `spiffeId`, `trustDomain`, `cidr`, `dns` or `entity`";

/** Exactly one way of naming it; name, labels and namespace go together. */
export const accessPeer: Shape<AccessPeer> = (value, spot) => {
  const written = writtenPeer(value, spot);
  if (written === undefined) return undefined;
  const { workload, labels, selector, namespace, spiffeId, trustDomain, cidr, except, dns, entity } = written;
  const refuse = (message: string, hint?: string): undefined => void spot.report("RESOURCE_INVALID_VALUE", message, hint);
  const isWorkload = workload !== undefined || labels !== undefined || selector !== undefined || namespace !== undefined;
  const ways = [isWorkload ? true : undefined, spiffeId, trustDomain, cidr, dns, entity].filter((way) => way !== undefined).length;
  if (ways !== 1)
    return refuse(`expected one of ${WAYS} in \`${spot.name}\`, got ${ways === 0 ? "none" : "several"}`, "use one item for each");
  if (except.length > 0 && cidr === undefined) return refuse(`\`except\` goes with \`cidr\` in \`${spot.name}\``);
  if (labels !== undefined && selector !== undefined)
    return refuse(`\`labels\` and \`selector\` cannot stand together in \`${spot.name}\``);
  if (spiffeId !== undefined) return { kind: "spiffe-id", pattern: spiffeId };
  if (trustDomain !== undefined) return { kind: "trust-domain", domain: trustDomain };
  if (dns !== undefined) return { kind: "dns", pattern: dns };
  if (entity !== undefined) return { kind: "entity", entity };
  if (cidr !== undefined) return exceptLieWithin(cidr, except, spot) ? { kind: "network", prefix: cidr, except } : undefined;
  return { kind: "workload", namespace, name: workload, labels: selector ?? { matchLabels: labels ?? {}, matchExpressions: [] } };
};

/** Reports exceptions that are no part of their network: they would change nothing, so that they are a mistake. */
export function exceptLieWithin(prefix: IpPrefix, except: readonly IpPrefix[], spot: Spot): boolean {
  const outside = except.findIndex(({ address, bits }) => bits < prefix.bits || !prefixContains(prefix, address));
  if (outside === -1) return true;
  spot
    .child("except")
    .child(outside)
    .report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}.except[${outside}]\` to lie within its network`);
  return false;
}

interface Spec extends Omit<AccessPolicy, "kind" | "document" | "metadata" | "expiresAtMs" | "enforcedPercent"> {
  readonly expiresAt: number | undefined;
  readonly rollout: { readonly percent: number } | undefined;
}

const MAX_PEERS = 1_000;
const isOutside = ({ kind }: AccessPeer): boolean => kind === "network" || kind === "dns" || kind === "entity";

const writtenSpec: Shape<Spec> = checked(
  record<Spec>({
    to: required(listOf(accessPeer, { min: 1, max: MAX_PEERS })),
    from: required(listOf(accessPeer, { min: 1, max: MAX_PEERS })),
    ports: withDefault(listOf(portSpec, { max: MAX_PEERS }), []),
    action: withDefault(oneOf("Allow", "Deny", "Audit"), "Allow"),
    when: optional(expression),
    mode: withDefault(oneOf("Enforce", "Audit"), "Enforce"),
    rollout: optional(record<{ readonly percent: number }>({ percent: required(integer(0, 100)) })),
    expiresAt: optional(timestamp),
    owner: withDefault(text, ""),
  }),
  ({ to, from }, spot) => {
    if (from.some(({ kind }) => kind === "dns"))
      spot
        .child("from")
        .report("RESOURCE_INVALID_VALUE", "callers have no DNS names that can be trusted", "name them by `cidr`, `workload` or `spiffeId`");
    if (to.every(isOutside) && from.every(isOutside))
      spot.report("RESOURCE_INVALID_VALUE", "expected a workload at one of the two ends: nothing would be enforced between others");
  },
);

export const accessPolicySpec: Shape<Omit<AccessPolicy, "kind" | "document" | "metadata">> = (value, spot) => {
  const written = writtenSpec(value, spot);
  if (written === undefined) return undefined;
  const { expiresAt, rollout, ...rest } = written;
  return { ...rest, expiresAtMs: expiresAt, enforcedPercent: rollout?.percent ?? 100 };
};
