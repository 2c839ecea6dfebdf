/**
 * The authority of a trust domain: what is registered, what signs, what is trusted and what is denied, in one place. It says when any of
 * it changes; who asks gets what is in force now.
 */
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { VigilError } from "../../lib/error.ts";
import { encodeJson } from "../../lib/json.ts";
import { err, type Result } from "../../lib/result.ts";
import { COMPONENT_CLASSES, type ComponentClass } from "../../resource/workload.ts";
import { jsonOfTrustBundle, type TrustBundle } from "../../spiffe/bundle.ts";
import { type SpiffeId, spiffeIdOf, type TrustDomain, trustDomainOf } from "../../spiffe/spiffe-id.ts";
import { authorityError } from "./authority-error.ts";
import type { AuthoritySet } from "./authority-set.ts";
import { readCertificationRequest } from "./certification-request.ts";
import { type Denials, type DenyChange, denialsOf, isSameDenials, NO_DENIALS, withDenied } from "./denials.ts";
import { type Entry, isServedBy } from "./entry.ts";
import type { IdentityPolicy, WorkloadFacts } from "./identity-policy.ts";
import type { Journal } from "./journal.ts";
import type { Registrations } from "./registrations.ts";
import {
  type IssuanceErrorCode,
  type IssuedToken,
  type IssuedX509Svid,
  type IssuerOptions,
  type Refusal,
  type Requester,
  SvidIssuer,
} from "./svid-issuer.ts";

/** Bundles of other trust domains, as far as they are known. */
export interface FederatedBundles {
  all(): ReadonlyMap<TrustDomain, TrustBundle>;
  onChange(listener: () => void): () => void;
}

export interface AuthorityOptions extends Omit<IssuerOptions, "random"> {
  readonly trustDomain: TrustDomain;
  readonly journal: Journal;
  readonly authorities: AuthoritySet;
  readonly federated: FederatedBundles;
  readonly registrations: Registrations;
  readonly random: (bytes: number) => Uint8Array;
}

/** What an agent wants signed. */
export type SubjectKey = { readonly kind: "public key"; readonly der: Uint8Array } | { readonly kind: "csr"; readonly der: Uint8Array };

export interface MintRequest {
  readonly spiffeId: SpiffeId;
  /** Undefined: by default. */
  readonly ttlMs: number | undefined;
  readonly dnsNames: readonly string[];
  /** `service` unless given. */
  readonly class?: ComponentClass;
}

/** The part of the state that is told to agents; each field is another object when it changed. */
export interface Shared {
  readonly revision: bigint;
  /** By ID. */
  readonly entries: ReadonlyMap<string, Entry>;
  /** Own first: documents of JSON. */
  readonly documents: ReadonlyMap<TrustDomain, Uint8Array>;
  readonly taintedIds: readonly string[];
  readonly denials: Denials;
}

const MAX_JOIN_TOKENS = 1_000;
const LONGEST_SVID_MS = Math.max(...Object.values(COMPONENT_CLASSES).map(({ maxX509TtlMs }) => maxX509TtlMs));
export const ALL_IDENTITIES = "*";

export class Authority {
  readonly #options: AuthorityOptions;
  readonly #issuer: SvidIssuer;
  readonly #listeners = new Set<() => void>();
  #registrations: Registrations;
  /** What `#shared.entries` was made from. */
  #source: { readonly registrations: Registrations; readonly renewals: ReadonlyMap<string, number> } | undefined;
  #shared: Shared = { revision: 0n, entries: new Map(), documents: new Map(), taintedIds: [], denials: NO_DENIALS };

  constructor(options: AuthorityOptions) {
    this.#options = options;
    this.#registrations = options.registrations;
    this.#issuer = new SvidIssuer(options, { policy: options.registrations.policy, denials: NO_DENIALS });
    this.#refresh();
    options.authorities.onChange(() => this.#refresh());
    options.federated.onChange(() => this.#refresh());
  }

  get trustDomain(): TrustDomain {
    return this.#options.trustDomain;
  }

  get authorities(): AuthoritySet {
    return this.#options.authorities;
  }

  get journal(): Journal {
    return this.#options.journal;
  }

  get registrations(): Registrations {
    return this.#registrations;
  }

  /** What agents are told, now. */
  get shared(): Shared {
    return this.#shared;
  }

  /** The bundle of a trust domain, own or federated. */
  bundleOf(domain: TrustDomain): TrustBundle | undefined {
    return domain === this.trustDomain ? this.authorities.bundle : this.#options.federated.all().get(domain);
  }

  /** Called after `shared` has changed. Returns how to end it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Puts other registrations into force, as a whole. */
  register(registrations: Registrations): void {
    this.#registrations = registrations;
    this.#refresh();
  }

  /** What expires by the clock (denials) is looked at again. */
  refresh(): void {
    this.#refresh();
  }

  #refresh(): void {
    const { journal, authorities, federated, nowMs } = this.#options;
    const before = this.#shared;
    const denials = keep(before.denials, denialsOf(journal.state, this.#registrations.trustDomain, nowMs()), isSameDenials);
    const next: Omit<Shared, "revision"> = {
      entries: this.#entries(before.entries),
      documents: documentsOf([authorities.bundle, ...federated.all().values()], before.documents),
      taintedIds: keep(before.taintedIds, authorities.taintedIds, (a, b) => a.join() === b.join()),
      denials,
    };
    this.#issuer.rules = { policy: this.#registrations.policy, denials };
    const isSame = Object.entries(next).every(([name, value]) => before[name as keyof typeof next] === value); // the keys of an object literal
    if (isSame && before.revision > 0n) return;
    this.#shared = { ...next, revision: before.revision + 1n };
    this.#dropKeysOfOthers();
    for (const listener of this.#listeners) listener();
  }

  /** Who is registered as an authority below no longer, or is denied, signs for nobody any more. */
  #dropKeysOfOthers(): void {
    if (this.journal.state.downstreamKeys.length === 0) return;
    const { entries, denials } = this.#shared;
    const publishers = new Set<string>();
    for (const { downstream, spiffeId } of entries.values()) if (downstream && !denials.spiffeIds.has(spiffeId)) publishers.add(spiffeId);
    // A state that cannot be saved is told of where it is saved; the next change tries again.
    this.authorities.keepKeys(({ publisher }) => publishers.has(publisher)).catch(() => undefined);
  }

  /** Entries as agents are told them; one that did not change is the same object as before, and so is the map when none did. */
  #entries(before: ReadonlyMap<string, Entry>): ReadonlyMap<string, Entry> {
    const { renewals } = this.#options.journal.state;
    if (this.#source?.registrations === this.#registrations && this.#source.renewals === renewals) return before;
    this.#source = { registrations: this.#registrations, renewals };
    const forAllMs = renewals.get(ALL_IDENTITIES) ?? 0;
    const entries = new Map<string, Entry>();
    let hasChanged = before.size !== this.#registrations.entries.size;
    for (const registered of this.#registrations.entries.values()) {
      const known = before.get(registered.id);
      const wanted = renewedFrom(registered, Math.max(forAllMs, renewals.get(registered.spiffeId) ?? 0));
      const entry = known !== undefined && isDeepStrictEqual(known, wanted) ? known : wanted;
      hasChanged ||= entry !== known;
      entries.set(entry.id, entry);
    }
    return hasChanged ? entries : before;
  }

  /** An X.509-SVID of an entry, for an agent that may serve it. UNTRUSTED: everything but the requester. */
  signX509(
    entryId: string,
    subject: SubjectKey,
    requester: Requester,
  ): Result<IssuedX509Svid, Refusal> | Promise<Result<IssuedX509Svid, Refusal>> {
    const entry = this.#entryFor(entryId, requester);
    if (entry === undefined) return err(unknownEntry(entryId));
    if (subject.kind === "public key") return this.#issuer.x509(entry, subject.der, requester);
    const publicKey = readCertificationRequest(subject.der);
    return publicKey.ok ? this.#issuer.x509(entry, publicKey.value, requester) : publicKey;
  }

  async signJwt(entryId: string, audience: readonly string[], requester: Requester): Promise<Result<IssuedToken, Refusal>> {
    const entry = this.#entryFor(entryId, requester);
    return entry === undefined ? err(unknownEntry(entryId)) : this.#issuer.jwt(entry, audience, requester);
  }

  async signWit(
    entryId: string,
    proof: { readonly publicKeyInfo: Uint8Array; readonly algorithm: string },
    requester: Requester,
  ): Promise<Result<IssuedToken, Refusal>> {
    const entry = this.#entryFor(entryId, requester);
    return entry === undefined ? err(unknownEntry(entryId)) : this.#issuer.wit(entry, proof, requester);
  }

  #entryFor(entryId: string, { agentId }: Requester): Entry | undefined {
    const entry = this.#shared.entries.get(entryId);
    return entry !== undefined && isServedBy(entry, agentId) ? entry : undefined;
  }

  /** The certificate of an authority below, of this key (SubjectPublicKeyInfo, DER, checked to be its own). */
  signDownstream(entry: Entry, publicKeyInfo: Uint8Array, ttlMs: number): ReturnType<SvidIssuer["downstream"]> {
    const request = { trustDomain: this.trustDomain, publicKeyInfo, ttlMs };
    return this.#issuer.downstream(entry, request, { name: entry.spiffeId, agentId: "" });
  }

  /** An X.509-SVID for an agent itself. */
  async signAgent(agentId: SpiffeId, publicKeyInfo: Uint8Array): Promise<Result<IssuedX509Svid, Refusal>> {
    return this.#issuer.x509(factsOf({ spiffeId: agentId, ttlMs: undefined, dnsNames: [] }), publicKeyInfo, { name: agentId, agentId });
  }

  /** The authority's own, for its endpoints. */
  async signOwn(path: readonly string[], publicKeyInfo: Uint8Array, dnsNames: readonly string[]): Promise<Result<IssuedX509Svid, Refusal>> {
    const spiffeId = this.#own(path);
    return this.#issuer.x509(factsOf({ spiffeId, ttlMs: undefined, dnsNames }), publicKeyInfo, { name: spiffeId, agentId: "" });
  }

  /** An SVID without attestation, for whoever administers the authority; the registration rules apply. */
  async mintX509(request: MintRequest, publicKeyInfo: Uint8Array, requester: Requester): Promise<Result<IssuedX509Svid, Refusal>> {
    const facts = factsOf(request);
    const refused = refuseMint(facts, this.trustDomain, this.#registrations.policy, requester);
    return refused === undefined ? this.#issuer.x509(facts, publicKeyInfo, requester) : err(refused);
  }

  async mintJwt(request: MintRequest, audience: readonly string[], requester: Requester): Promise<Result<IssuedToken, Refusal>> {
    const facts = factsOf(request);
    const refused = refuseMint(facts, this.trustDomain, this.#registrations.policy, requester);
    return refused === undefined ? this.#issuer.jwt(facts, audience, requester) : err(refused);
  }

  /** Denies, or no longer denies; in force when the promise resolves. Rejects with `AUTHORITY_LIMIT` or `AUTHORITY_STATE_UNWRITABLE`. */
  async deny(change: DenyChange): Promise<Denials> {
    await this.journal.update((state) => withDenied(state, change, this.#options.nowMs()));
    this.#refresh();
    return this.#shared.denials;
  }

  /** Has the SVIDs of these identities (of all, when there are none) renewed at once. Resolves with how many entries that are. */
  async rotate(spiffeIds: readonly string[]): Promise<number> {
    const nowMs = this.#options.nowMs();
    const ids = spiffeIds.length === 0 ? [ALL_IDENTITIES] : spiffeIds;
    await this.journal.update((state) => {
      const kept = [...state.renewals].filter(([, beforeMs]) => beforeMs + LONGEST_SVID_MS > nowMs);
      return { ...state, renewals: new Map([...kept, ...ids.map((id) => [id, nowMs] as const)]) };
    });
    this.#refresh();
    const wanted = new Set(ids);
    return [...this.#shared.entries.values()].filter(({ spiffeId }) => wanted.has(ALL_IDENTITIES) || wanted.has(spiffeId)).length;
  }

  /** A token with which an agent of this name attests once. Rejects with `AUTHORITY_LIMIT`; a name that makes no SPIFFE ID is a RangeError. */
  async createJoinToken(
    agentName: string,
    ttlMs: number,
  ): Promise<{ readonly token: string; readonly agentId: SpiffeId; readonly expiresAtMs: number }> {
    const agentId = this.agentIdOf(agentName);
    const nowMs = this.#options.nowMs();
    const token = Buffer.from(this.#options.random(24)).toString("base64url");
    const expiresAtMs = nowMs + ttlMs;
    await this.journal.update((state) => {
      const alive = state.joinTokens.filter((known) => known.expiresAtMs > nowMs);
      if (alive.length >= MAX_JOIN_TOKENS)
        throw authorityError("AUTHORITY_LIMIT", `${MAX_JOIN_TOKENS} join tokens wait to be used`, { hint: "wait until some expire" });
      return { ...state, joinTokens: [...alive, { digest: digestOf(token), agentName, expiresAtMs }] };
    });
    return { token, agentId, expiresAtMs };
  }

  /** The agent of a token, which is used up then: that is on the disk before anybody gets anything for it. Undefined when there is none. UNTRUSTED. */
  async redeemJoinToken(token: string): Promise<SpiffeId | undefined> {
    const digest = digestOf(token);
    let agentName: string | undefined;
    await this.journal.update((state) => {
      const found = state.joinTokens.find((known) => known.digest === digest && known.expiresAtMs > this.#options.nowMs());
      agentName = found?.agentName;
      return found === undefined ? state : { ...state, joinTokens: state.joinTokens.filter((known) => known !== found) };
    });
    return agentName === undefined ? undefined : this.agentIdOf(agentName);
  }

  /** `spiffe://<trust domain>/vigil/agent/<name>`. Throws a RangeError. */
  agentIdOf(name: string): SpiffeId {
    const id = spiffeIdOf(this.trustDomain, ["vigil", "agent", name]);
    if (id.ok) return id.value;
    throw new RangeError(id.error.message);
  }

  #own(path: readonly string[]): SpiffeId {
    const id = spiffeIdOf(this.trustDomain, path);
    if (id.ok) return id.value;
    throw new RangeError(id.error.message);
  }
}

const digestOf = (token: string): string => createHash("sha256").update(token).digest("hex");

const keep = <T>(before: T, after: T, isSame: (a: T, b: T) => boolean): T => (isSame(before, after) ? before : after);

const renewedFrom = (entry: Entry, renewIssuedBeforeMs: number): Entry =>
  entry.renewIssuedBeforeMs === renewIssuedBeforeMs ? entry : { ...entry, renewIssuedBeforeMs };

/** Documents of bundles; one that did not change is the same object as before, and so is the map when none did. */
function documentsOf(bundles: readonly TrustBundle[], before: ReadonlyMap<TrustDomain, Uint8Array>): ReadonlyMap<TrustDomain, Uint8Array> {
  const documents = new Map<TrustDomain, Uint8Array>();
  let hasChanged = before.size !== bundles.length;
  for (const bundle of bundles) {
    const document = Buffer.from(encodeJson(jsonOfTrustBundle(bundle)));
    const known = before.get(bundle.trustDomain);
    const isKnown = known !== undefined && Buffer.compare(known, document) === 0;
    hasChanged ||= !isKnown;
    documents.set(bundle.trustDomain, isKnown ? known : document);
  }
  return hasChanged ? documents : before;
}

const unknownEntry = (entryId: string): VigilError<IssuanceErrorCode> =>
  new VigilError("IDENTITY_UNKNOWN_ENTRY", `the entry \`${entryId.slice(0, 200)}\` is not registered for this agent`);

function factsOf({ spiffeId, ttlMs, dnsNames, class: name = "service" }: MintRequest): WorkloadFacts {
  const x509TtlMs = ttlMs ?? COMPONENT_CLASSES[name].x509TtlMs;
  return {
    name: "",
    spiffeId,
    selectors: [],
    class: name,
    x509TtlMs,
    jwtTtlMs: ttlMs ?? 5 * 60_000,
    rotateAfterMs: x509TtlMs / 2,
    dnsNames,
    ipAddresses: [],
    federatesWith: [],
    hint: "",
    admin: false,
    downstream: false,
    labels: {},
    brokerFor: [],
    agents: [],
    origin: "",
  };
}

function refuseMint(facts: WorkloadFacts, own: TrustDomain, policy: IdentityPolicy, { name }: Requester): Refusal | undefined {
  if (trustDomainOf(facts.spiffeId) !== own)
    return new VigilError<IssuanceErrorCode>("IDENTITY_RULE", `\`${facts.spiffeId}\` is not in the trust domain \`${own}\``);
  const rule = policy.refuseRegistration(facts, { kind: "user", name });
  return rule && new VigilError<IssuanceErrorCode>("IDENTITY_RULE", `the rule \`${rule.rule}\` refuses: ${rule.message}`);
}
