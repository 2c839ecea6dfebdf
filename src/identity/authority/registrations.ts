/** From resources to registration entries and the policy of the trust domain: as a whole, or not at all. */
import type { Diagnostic } from "../../lib/diagnostic.ts";
import { type Document, diagnose } from "../../resource/document.ts";
import { parseIdentityResource } from "../../resource/identity-resource.ts";
import { DEFAULT_ID_TEMPLATE, type TrustDomainResource } from "../../resource/trust-domain.ts";
import type { Workload } from "../../resource/workload.ts";
import { parseSpiffeId, type SpiffeId, type TrustDomain, trustDomainOf } from "../../spiffe/spiffe-id.ts";
import type { Entry } from "./entry.ts";
import { compileIdentityPolicy, type IdentityPolicy, type RuleRefusal } from "./identity-policy.ts";

/** What is wrong with the resources of a trust domain together. Each is a row in ERRORS.md. */
export type RegistrationErrorCode = "IDENTITY_OTHER_TRUST_DOMAIN" | "IDENTITY_DUPLICATE";

/** Everything that is registered. Immutable; a change makes a new one. */
export interface Registrations {
  /** By ID. */
  readonly entries: ReadonlyMap<string, Entry>;
  readonly policy: IdentityPolicy;
  /** Of the own trust domain; undefined when no resource states it. */
  readonly trustDomain: TrustDomainResource | undefined;
  /** Workloads that the rules refuse. */
  readonly refused: readonly RefusedWorkload[];
}

export interface RefusedWorkload {
  readonly entry: Entry;
  readonly refusal: RuleRefusal;
}

/** The registrations of some documents, or everything that is wrong with them. Documents of other kinds are passed over. */
export function compileRegistrations(
  documents: readonly Document[],
  own: { readonly trustDomain: TrustDomain; readonly builtIn: readonly Entry[] },
): { readonly registrations: Registrations; readonly diagnostics: readonly Diagnostic[] } {
  const diagnostics: Diagnostic[] = [];
  const workloads: Workload[] = [];
  const domains: TrustDomainResource[] = [];
  for (const document of documents) {
    const parsed = parseIdentityResource(document);
    if (parsed.kind === "refused") diagnostics.push(...parsed.diagnostics);
    if (parsed.kind !== "identity") continue;
    if (parsed.resource.kind === "Workload") workloads.push(parsed.resource);
    else domains.push(parsed.resource);
  }
  const trustDomain = ownDomain(domains, own.trustDomain, diagnostics);
  const compiled = compileIdentityPolicy({ registration: trustDomain?.registration ?? [], issuance: trustDomain?.issuance ?? [] });
  diagnostics.push(...compiled.diagnostics);
  const entries = new Map(own.builtIn.map((entry) => [entry.id, entry]));
  const refused: RefusedWorkload[] = [];
  const builtInIds = new Set(entries.keys());
  for (const workload of workloads) {
    const entry = entryOf(workload, own.trustDomain, trustDomain?.idTemplate ?? DEFAULT_ID_TEMPLATE, diagnostics);
    if (entry === undefined) continue;
    if (entries.has(entry.id) && !builtInIds.delete(entry.id)) diagnostics.push(duplicate(workload, entry, entries.get(entry.id)));
    const refusal = compiled.policy.refuseRegistration(entry, { kind: "file", name: workload.document.file });
    if (refusal !== undefined) refused.push({ entry, refusal });
    else entries.set(entry.id, entry);
  }
  const registrations = { entries, policy: compiled.policy, trustDomain, refused };
  return { registrations, diagnostics };
}

function ownDomain(domains: readonly TrustDomainResource[], name: TrustDomain, diagnostics: Diagnostic[]): TrustDomainResource | undefined {
  for (const domain of domains.filter((other) => other.name !== name)) {
    const code: RegistrationErrorCode = "IDENTITY_OTHER_TRUST_DOMAIN";
    const message = `expected the trust domain \`${name}\`, got \`${domain.name}\``;
    const hint = "the setting `identity.trustDomain` names the own one; others are trusted by `spec.federation`";
    diagnostics.push(diagnose(domain.document, ["metadata", "name"], { code, message, hint }));
  }
  const [first, second] = domains.filter((domain) => domain.name === name);
  if (second !== undefined) {
    const code: RegistrationErrorCode = "IDENTITY_DUPLICATE";
    diagnostics.push(
      diagnose(second.document, ["metadata", "name"], { code, message: `the trust domain \`${name}\` stands twice`, hint: "keep one" }),
    );
  }
  return first;
}

function duplicate({ document }: Workload, { name }: Entry, other: Entry | undefined): Diagnostic {
  const code: RegistrationErrorCode = "IDENTITY_DUPLICATE";
  const message = `the workload \`${name}\` stands twice, also at ${other?.origin ?? "another place"}`;
  return diagnose(document, ["metadata", "name"], { code, message, hint: "rename or remove one of the two" });
}

function entryOf(workload: Workload, own: TrustDomain, template: string, diagnostics: Diagnostic[]): Entry | undefined {
  const { metadata, document, selectors, id } = workload;
  const namespace = metadata.namespace || "default";
  const spiffeId = id ?? filled(template, { namespace, name: metadata.name, own });
  if (typeof spiffeId !== "string") {
    const message = `the name makes no SPIFFE ID: ${spiffeId.message}`;
    diagnostics.push(diagnose(document, ["metadata", "name"], { code: "RESOURCE_INVALID_VALUE", message, hint: "state `spec.id`" }));
    return undefined;
  }
  if (trustDomainOf(spiffeId) !== own) {
    const code: RegistrationErrorCode = "IDENTITY_OTHER_TRUST_DOMAIN";
    const message = `expected an ID in the trust domain \`${own}\`, got \`${spiffeId}\``;
    diagnostics.push(diagnose(document, ["spec", "id"], { code, message }));
    return undefined;
  }
  const name = `${namespace}/${metadata.name}`;
  return {
    id: name,
    name,
    spiffeId,
    selectors: selectors.toSorted(),
    class: workload.class,
    x509TtlMs: workload.x509TtlMs,
    jwtTtlMs: workload.jwtTtlMs,
    rotateAfterMs: workload.rotateAfterMs,
    dnsNames: workload.dnsNames,
    ipAddresses: workload.ipAddresses,
    federatesWith: workload.federatesWith,
    hint: workload.hint,
    admin: workload.admin,
    downstream: workload.downstream,
    labels: metadata.labels,
    brokerFor: workload.brokerFor,
    agents: workload.agents,
    renewIssuedBeforeMs: 0,
    origin: document.file,
  };
}

function filled(
  template: string,
  { namespace, name, own }: { readonly namespace: string; readonly name: string; readonly own: TrustDomain },
): SpiffeId | { readonly message: string } {
  // No name can add a segment: it is refused when it has a slash.
  if (`${namespace}${name}`.includes("/")) return { message: "a name has a `/`" };
  const path = template.replaceAll(/\{(name|namespace)\}/g, (_, word: string) => (word === "name" ? name : namespace));
  const id = parseSpiffeId(`spiffe://${own}${path}`);
  return id.ok ? id.value : { message: id.error.message };
}
