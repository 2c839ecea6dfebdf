/** What the authority has told the agent: entries, bundles, denials. Replaced piece by piece, never edited in place. */
import { messageOf } from "../../lib/error.ts";
import { encodeJson } from "../../lib/json.ts";
import { jsonOfJwtBundle, parseTrustBundle, type TrustBundle } from "../../spiffe/bundle.ts";
import type { BundleSource } from "../../spiffe/bundle-source.ts";
import { parseTrustDomain, type SpiffeId, type TrustDomain } from "../../spiffe/spiffe-id.ts";
import { jwkOf } from "../../spiffe/token-key.ts";
import type { Bundles, Denials as DenialsMessage, SyncResponse } from "../generated/vigil/authority/v1/authority_pb.ts";
import { SelectorIndex } from "../selector-index.ts";
import { parseEntry, type ServedEntry } from "./served-entry.ts";

/** A trust domain that is trusted, with its bundle in the forms in which workloads get it. */
export interface TrustedDomain {
  readonly bundle: TrustBundle;
  /** Concatenated DER. */
  readonly x509Der: Uint8Array;
  /** A JWK Set of the JWT keys alone. */
  readonly jwtJson: Uint8Array;
  /** A JWK Set of the WIT keys alone. */
  readonly witJson: string;
}

export interface Denials {
  readonly spiffeIds: ReadonlySet<string>;
  readonly serials: ReadonlySet<string>;
  readonly authorityIds: ReadonlySet<string>;
}

/** What an update changed. */
export interface StateChange {
  readonly entries: boolean;
  readonly bundles: boolean;
  readonly denials: boolean;
  /** What could not be read, and why; it is as if it had not been sent. */
  readonly problems: readonly string[];
}

const NO_DENIALS: Denials = { spiffeIds: new Set(), serials: new Set(), authorityIds: new Set() };

export class AgentState implements BundleSource {
  /** Undefined until the first update. */
  trustDomain: TrustDomain | undefined;
  tainted: ReadonlySet<string> = new Set();
  activeX509AuthorityId = "";
  denials: Denials = NO_DENIALS;
  /** Counts changes of entries and denials: as long as it stands, the same selectors match the same entries. */
  generation = 0;
  readonly #entries = new Map<string, ServedEntry>();
  readonly #index = new SelectorIndex<ServedEntry>();
  #domains: ReadonlyMap<TrustDomain, TrustedDomain> = new Map();
  readonly #brokers = new Set<ServedEntry>();
  #digestEntries = 0;

  get entryCount(): number {
    return this.#entries.size;
  }

  /** Whether any entry asks which program runs: hashing is for that alone. */
  get wantsDigest(): boolean {
    return this.#digestEntries > 0;
  }

  entries(): Iterable<ServedEntry> {
    return this.#entries.values();
  }

  entry(id: string): ServedEntry | undefined {
    return this.#entries.get(id);
  }

  /** The entries that a workload with these selectors has, the default one first. Denied ones are among them. */
  entriesOf(selectors: readonly string[]): readonly ServedEntry[] {
    return this.#index.match(new Set(selectors)).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** What a workload with this identity may fetch for others, as in `Workload.brokerFor`; empty when it is no broker. */
  brokerFor(id: SpiffeId): readonly string[] {
    return [...this.#brokers].flatMap(({ spiffeId, brokerFor }) => (spiffeId === id ? brokerFor : []));
  }

  domain(name: TrustDomain): TrustedDomain | undefined {
    return this.#domains.get(name);
  }

  bundleOf(domain: TrustDomain): TrustBundle | undefined {
    return this.#domains.get(domain)?.bundle;
  }

  /** Takes an update of the authority over. */
  apply(update: SyncResponse): StateChange {
    const problems: string[] = [];
    const hasEntries = this.#applyEntries(update, problems);
    const hasBundles = update.bundles !== undefined && this.#applyBundles(update.bundles, problems);
    const hasDenials = update.denials !== undefined && this.#applyDenials(update.denials);
    if (hasEntries || hasDenials) this.generation++;
    return { entries: hasEntries, bundles: hasBundles, denials: hasDenials, problems };
  }

  #applyEntries({ isFull, entries, removedEntryIds }: SyncResponse, problems: string[]): boolean {
    const sent = new Set(entries.map(({ id }) => id));
    const removed = isFull ? [...this.#entries.keys()].filter((id) => !sent.has(id)) : removedEntryIds;
    let hasChanged = false;
    for (const id of removed) hasChanged = this.#remove(id) || hasChanged;
    for (const message of entries) {
      if (this.#entries.get(message.id)?.revision === message.revision) continue;
      hasChanged = true;
      this.#remove(message.id);
      const entry = parseEntry(message);
      if (entry.ok) this.#add(entry.value);
      else problems.push(`the workload \`${message.name}\` is left out: ${messageOf(entry.error)}`);
    }
    return hasChanged;
  }

  #add(entry: ServedEntry): void {
    this.#entries.set(entry.id, entry);
    this.#index.add(entry);
    if (entry.brokerFor.length > 0) this.#brokers.add(entry);
    if (asksForDigest(entry)) this.#digestEntries++;
  }

  #remove(id: string): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    this.#entries.delete(id);
    this.#index.remove(entry);
    this.#brokers.delete(entry);
    if (asksForDigest(entry)) this.#digestEntries--;
    return true;
  }

  #applyBundles(message: Bundles, problems: string[]): boolean {
    const own = parseTrustDomain(message.trustDomain);
    if (!own.ok) {
      problems.push(`the bundles are left as they were: ${own.error.message}`);
      return false;
    }
    const domains = new Map<TrustDomain, TrustedDomain>();
    for (const [name, document] of Object.entries(message.documents)) {
      const domain = parseTrustDomain(name);
      const bundle = domain.ok ? parseTrustBundle(document, domain.value) : domain;
      const known = domain.ok ? this.#domains.get(domain.value) : undefined;
      if (bundle.ok) domains.set(bundle.value.trustDomain, trustedDomain(bundle.value));
      else {
        problems.push(`the bundle of \`${name}\` cannot be read: ${bundle.error.message}`);
        if (domain.ok && known !== undefined) domains.set(domain.value, known);
      }
    }
    this.trustDomain = own.value;
    this.#domains = domains;
    this.tainted = new Set(message.taintedAuthorityIds);
    this.activeX509AuthorityId = message.activeX509AuthorityId;
    return true;
  }

  #applyDenials({ spiffeIds, serials, authorityIds }: DenialsMessage): boolean {
    this.denials = { spiffeIds: new Set(spiffeIds), serials: new Set(serials), authorityIds: new Set(authorityIds) };
    return true;
  }
}

const asksForDigest = ({ selectors }: ServedEntry): boolean => selectors.some((selector) => selector.startsWith("unix:sha256:"));

function trustedDomain(bundle: TrustBundle): TrustedDomain {
  const wit = [...bundle.witKeys.values()].map(({ keyId, publicKey, algorithm }) => ({
    use: "wit-svid",
    kid: keyId,
    ...(algorithm === undefined ? {} : { alg: algorithm }),
    ...jwkOf(publicKey),
  }));
  return {
    bundle,
    x509Der: Buffer.concat(bundle.x509Authorities.map(({ der }) => der)),
    jwtJson: Buffer.from(encodeJson(jsonOfJwtBundle(bundle))),
    witJson: encodeJson({ keys: wit }),
  };
}
