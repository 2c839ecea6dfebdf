/** Workload of `vigil.dev/v1alpha1`: who is who. A process that has all of the selectors gets the identity. */
import { formatDuration } from "../lib/duration.ts";
import type { SpiffeId, TrustDomain } from "../spiffe/spiffe-id.ts";
import type { Document } from "./document.ts";
import type { Metadata } from "./metadata.ts";
import {
  checked,
  checkUnique,
  duration,
  flag,
  listOf,
  oneOf,
  optional,
  record,
  required,
  type Shape,
  type Spot,
  text,
  withDefault,
} from "./shape.ts";
import { dnsName, idPattern, ipAddress, trustDomainName, workloadId } from "./spiffe-shape.ts";

/** How long credentials may live, by what the component is (requirement I12). */
export type ComponentClass = "service" | "gateway" | "data" | "legacy";

export interface Lifetimes {
  readonly x509TtlMs: number;
  /** The longest that a resource of the class may ask for. */
  readonly maxX509TtlMs: number;
  /** Age at which a certificate is renewed. */
  readonly rotateAfterMs: number;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const fixed = (ttlHours: number, rotateHours: number): Lifetimes => ({
  x509TtlMs: ttlHours * HOUR_MS,
  maxX509TtlMs: ttlHours * HOUR_MS,
  rotateAfterMs: rotateHours * HOUR_MS,
});

export const COMPONENT_CLASSES: { readonly [C in ComponentClass]: Lifetimes } = {
  service: { x509TtlMs: 15 * MINUTE_MS, maxX509TtlMs: HOUR_MS, rotateAfterMs: 7.5 * MINUTE_MS },
  gateway: fixed(24, 4),
  data: fixed(72, 1),
  legacy: fixed(168, 12),
};

const DEFAULT_JWT_TTL_MS = 5 * MINUTE_MS;
const MIN_TTL_MS = 10_000;
const LONGEST_MS = COMPONENT_CLASSES.legacy.maxX509TtlMs;

export interface Workload {
  readonly kind: "Workload";
  readonly document: Document;
  readonly metadata: Metadata;
  /** Not empty, distinct, each `type:value`; the workload must have all of them. */
  readonly selectors: readonly string[];
  /** What it is called; undefined when the trust domain's template names it. */
  readonly id: SpiffeId | undefined;
  readonly class: ComponentClass;
  readonly x509TtlMs: number;
  readonly jwtTtlMs: number;
  /** Less than `x509TtlMs`. */
  readonly rotateAfterMs: number;
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  /** Trust domains whose bundles it gets besides its own. */
  readonly federatesWith: readonly TrustDomain[];
  /** For the workload to choose by, when it has several identities. */
  readonly hint: string;
  /** Whether it may administer the authority. */
  readonly admin: boolean;
  /** Whether it is an authority below this one. */
  readonly downstream: boolean;
  /** Identities of other workloads that it may fetch by the Broker API: SPIFFE IDs, or with a `*` at the end their beginnings. Empty: none. */
  readonly brokerFor: readonly string[];
  /** Agents that may serve it: SPIFFE IDs, or with a `*` at the end their beginnings. Empty: all. */
  readonly agents: readonly string[];
}

type Spec = Omit<Workload, "kind" | "document" | "metadata">;
interface WrittenSpec extends Omit<Spec, "x509TtlMs" | "jwtTtlMs" | "rotateAfterMs"> {
  readonly x509Ttl: number | undefined;
  readonly jwtTtl: number;
  readonly rotateAfter: number | undefined;
}

const MAX_SELECTORS = 64;
const MAX_SELECTOR_CHARACTERS = 1024;
const MAX_NAMES = 64;
const MAX_HINT_BYTES = 1024;

/** `unix:uid:1000`, `k8s:ns:shop`: what attested it, and what it found. */
const selector: Shape<string> = (value, spot) => {
  const read = text(value, spot);
  if (read === undefined || (/^[a-z0-9_-]+:[^\s:][^\n]*$/.test(read) && read.length <= MAX_SELECTOR_CHARACTERS)) return read;
  spot.report(
    "RESOURCE_INVALID_VALUE",
    `expected \`${spot.name}\` to be \`type:value\`, got \`${read.slice(0, 80)}\``,
    "such as `unix:uid:1000`",
  );
  return undefined;
};

const hint: Shape<string> = checked(text, (read, spot) => {
  if (Buffer.byteLength(read) > MAX_HINT_BYTES)
    spot.report("RESOURCE_INVALID_VALUE", `expected at most ${MAX_HINT_BYTES} bytes in \`${spot.name}\``);
});

const distinct = <T extends string>(item: Shape<T>, size: { readonly min?: number; readonly max: number }): Shape<readonly T[]> =>
  checked(listOf(item, size), (values, spot) => checkUnique(values, spot, (value) => value));

const writtenSpec: Shape<WrittenSpec> = record<WrittenSpec>({
  selectors: required(distinct(selector, { min: 1, max: MAX_SELECTORS })),
  id: optional(workloadId),
  class: withDefault(oneOf("service", "gateway", "data", "legacy"), "service"),
  x509Ttl: optional(duration(MIN_TTL_MS, LONGEST_MS)),
  jwtTtl: withDefault(duration(MIN_TTL_MS, HOUR_MS), DEFAULT_JWT_TTL_MS),
  rotateAfter: optional(duration(1_000, LONGEST_MS)),
  dnsNames: withDefault(distinct(dnsName, { max: MAX_NAMES }), []),
  ipAddresses: withDefault(distinct(ipAddress, { max: MAX_NAMES }), []),
  federatesWith: withDefault(distinct(trustDomainName, { max: MAX_NAMES }), []),
  hint: withDefault(hint, ""),
  admin: withDefault(flag, false),
  downstream: withDefault(flag, false),
  brokerFor: withDefault(distinct(idPattern, { max: MAX_NAMES }), []),
  agents: withDefault(distinct(idPattern, { max: MAX_NAMES }), []),
});

export const workloadSpec: Shape<Spec> = (value, spot) => {
  const written = writtenSpec(value, spot);
  if (written === undefined) return undefined;
  const { x509Ttl, jwtTtl, rotateAfter, ...rest } = written;
  const lifetimes = COMPONENT_CLASSES[written.class];
  const x509TtlMs = x509Ttl ?? lifetimes.x509TtlMs;
  const usualMs = Math.min(lifetimes.rotateAfterMs, x509TtlMs / 2);
  const spec: Spec = { ...rest, x509TtlMs, jwtTtlMs: jwtTtl, rotateAfterMs: rotateAfter ?? usualMs };
  return checkLifetimes(spec, spot) ? spec : undefined;
};

function checkLifetimes({ class: name, x509TtlMs, rotateAfterMs }: Spec, spot: Spot): boolean {
  const { maxX509TtlMs } = COMPONENT_CLASSES[name];
  if (x509TtlMs > maxX509TtlMs) {
    const message = `expected \`${spot.name}.x509Ttl\` to be at most ${formatDuration(maxX509TtlMs)} in the class \`${name}\``;
    const wider = Object.entries(COMPONENT_CLASSES).find(([, lifetimes]) => lifetimes.maxX509TtlMs >= x509TtlMs)?.[0];
    spot.child("x509Ttl").report("RESOURCE_INVALID_VALUE", message, `the class \`${wider}\` allows it, if that is what the workload is`);
    return false;
  }
  if (rotateAfterMs >= x509TtlMs) {
    const message = `expected \`${spot.name}.rotateAfter\` to be less than the lifetime of ${formatDuration(x509TtlMs)}`;
    spot.child("rotateAfter").report("RESOURCE_INVALID_VALUE", message, "leave it out: half of the lifetime");
    return false;
  }
  return true;
}
