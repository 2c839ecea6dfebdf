/** The other trust domains that are trusted: their bundles, kept up to date by asking as often as each of them wants to be asked. */
import { messageOf, VigilError } from "../../lib/error.ts";
import type { FederationRelation } from "../../resource/trust-domain.ts";
import { parseTrustBundle, type TrustBundle } from "../../spiffe/bundle.ts";
import type { BundleSource } from "../../spiffe/bundle-source.ts";
import { type FederationEndpoint, refreshIntervalMs, succeedBundle } from "../../spiffe/federation.ts";
import type { TrustDomain } from "../../spiffe/spiffe-id.ts";
import type { BundleStore } from "./bundle-store.ts";
import { fetchBundle } from "./fetch-bundle.ts";

export interface FederationOptions {
  readonly own: () => TrustBundle;
  readonly store: BundleStore;
  readonly nowMs: () => number;
  /** PEM: instead of the public authorities, for https_web endpoints. */
  readonly webAuthorities: string | undefined;
  readonly timeoutMs?: number;
  /** What happened, for events and logs. */
  readonly onNews: (news: FederationNews) => void;
}

export interface FederationNews {
  readonly trustDomain: TrustDomain;
  readonly kind: "bundle" | "failure" | "end";
  readonly message: string;
}

export interface FederationStatus {
  readonly endpoint: FederationEndpoint;
  readonly origin: "resource" | "command";
  readonly bundle: TrustBundle | undefined;
  readonly fetchedAtMs: number | undefined;
  readonly nextFetchAtMs: number;
  readonly failure: string | undefined;
}

interface Relation {
  endpoint: FederationEndpoint;
  origin: "resource" | "command";
  fetchedAtMs: number | undefined;
  nextFetchAtMs: number;
  failure: string | undefined;
  timer: NodeJS.Timeout | undefined;
}

/** Of a relation as it is wanted. */
export interface WantedRelation extends FederationRelation {
  readonly origin: "resource" | "command";
}

const TIMEOUT_MS = 10_000;
/** So that many relations do not ask at the same moment. */
const SPREAD_MS = 1_000;

export class Federation implements BundleSource {
  readonly #options: FederationOptions;
  readonly #relations = new Map<TrustDomain, Relation>();
  readonly #listeners = new Set<() => void>();
  readonly #ending = new AbortController();
  #bundles: ReadonlyMap<TrustDomain, TrustBundle> = new Map();
  /** Bundles on the disk; those of relations that are gone are not trusted. */
  #stored = new Map<TrustDomain, TrustBundle>();

  private constructor(options: FederationOptions) {
    this.#options = options;
  }

  static async open(options: FederationOptions): Promise<Federation> {
    const federation = new Federation(options);
    const { bundles, problems } = await options.store.load();
    federation.#stored = new Map(bundles.map((bundle) => [bundle.trustDomain, bundle]));
    for (const message of problems) options.onNews({ trustDomain: options.own().trustDomain, kind: "failure", message });
    return federation;
  }

  /** By trust domain: of those that are trusted and whose bundle is known. Another object when one changed. */
  all(): ReadonlyMap<TrustDomain, TrustBundle> {
    return this.#bundles;
  }

  bundleOf(domain: TrustDomain): TrustBundle | undefined {
    const own = this.#options.own();
    return domain === own.trustDomain ? own : this.#bundles.get(domain);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  status(): readonly FederationStatus[] {
    return [...this.#relations.values()].map(({ endpoint, origin, fetchedAtMs, nextFetchAtMs, failure }) => {
      return { endpoint, origin, fetchedAtMs, nextFetchAtMs, failure, bundle: this.#bundles.get(endpoint.trustDomain) };
    });
  }

  /** Trusts these trust domains and no others. Bundles that come with relations are taken where none is stored. */
  want(relations: readonly WantedRelation[]): void {
    const wanted = new Map(relations.map((relation) => [relation.endpoint.trustDomain, relation]));
    for (const [domain, { timer }] of this.#relations) {
      if (wanted.has(domain)) continue;
      clearTimeout(timer);
      this.#relations.delete(domain);
      this.#stored.delete(domain);
      void this.#options.store.remove(domain).catch(() => undefined);
      this.#options.onNews({ trustDomain: domain, kind: "end", message: "it is no longer trusted" });
    }
    const bundles = new Map([...this.#bundles].filter(([domain]) => wanted.has(domain)));
    for (const [domain, { endpoint, origin, bundle }] of wanted) {
      const known = this.#relations.get(domain);
      if (known !== undefined && JSON.stringify(known.endpoint) === JSON.stringify(endpoint)) {
        known.origin = origin;
        continue;
      }
      clearTimeout(known?.timer);
      const first = bundles.get(domain) ?? this.#stored.get(domain) ?? this.#given(domain, bundle);
      if (first !== undefined) bundles.set(domain, first);
      this.#relations.set(domain, {
        endpoint,
        origin,
        fetchedAtMs: undefined,
        nextFetchAtMs: this.#options.nowMs(),
        failure: undefined,
        timer: undefined,
      });
    }
    this.#publish(bundles);
    for (const relation of this.#relations.values())
      if (relation.timer === undefined) this.#schedule(relation, Math.min(SPREAD_MS, this.#relations.size - 1));
  }

  /** The bundle with which the next relation to its trust domain begins. */
  begin(bundle: TrustBundle): void {
    this.#stored.set(bundle.trustDomain, bundle);
  }

  #given(domain: TrustDomain, document: string | undefined): TrustBundle | undefined {
    if (document === undefined) return undefined;
    const bundle = parseTrustBundle(Buffer.from(document), domain);
    if (bundle.ok) return bundle.value;
    this.#options.onNews({
      trustDomain: domain,
      kind: "failure",
      message: `the bundle of the relation is not one: ${bundle.error.message}`,
    });
    return undefined;
  }

  #publish(bundles: ReadonlyMap<TrustDomain, TrustBundle>): void {
    const isSame = bundles.size === this.#bundles.size && [...bundles].every(([domain, bundle]) => this.#bundles.get(domain) === bundle);
    if (isSame) return;
    this.#bundles = bundles;
    for (const listener of this.#listeners) listener();
  }

  #schedule(relation: Relation, delayMs: number): void {
    if (this.#ending.signal.aborted) return;
    relation.nextFetchAtMs = this.#options.nowMs() + delayMs;
    relation.timer = setTimeout(() => void this.#poll(relation), delayMs).unref();
  }

  async #poll(relation: Relation): Promise<void> {
    await this.fetchNow(relation.endpoint.trustDomain);
    // It may have been replaced meanwhile.
    if (this.#relations.get(relation.endpoint.trustDomain) === relation)
      this.#schedule(relation, refreshIntervalMs(this.#bundles.get(relation.endpoint.trustDomain)));
  }

  /** Asks one trust domain now; true when its bundle is up to date then. Never rejects: what failed is news and status. */
  async fetchNow(domain: TrustDomain): Promise<boolean> {
    const relation = this.#relations.get(domain);
    if (relation === undefined) return false;
    try {
      const { nowMs, webAuthorities, timeoutMs = TIMEOUT_MS, store } = this.#options;
      const fetched = await fetchBundle(relation.endpoint, {
        bundles: this,
        nowMs,
        webAuthorities,
        timeoutMs,
        signal: this.#ending.signal,
      });
      if (this.#relations.get(domain) !== relation) return false;
      const before = this.#bundles.get(domain);
      const next = succeedBundle(before, fetched);
      if (!next.ok) throw next.error;
      relation.fetchedAtMs = nowMs();
      relation.failure = undefined;
      if (before !== undefined && JSON.stringify(idsOf(before)) === JSON.stringify(idsOf(next.value))) return true;
      // On the disk first: whoever trusts the new bundle would not trust the old one again.
      await store.save(next.value);
      this.#publish(new Map([...this.#bundles, [domain, next.value]]));
      this.#options.onNews({
        trustDomain: domain,
        kind: "bundle",
        message: `its bundle has the sequence number ${next.value.sequence ?? "(none)"}`,
      });
      return true;
    } catch (thrown) {
      const message = thrown instanceof VigilError ? `${thrown.code}: ${thrown.message}` : messageOf(thrown);
      if (relation.failure !== message && !this.#ending.signal.aborted)
        this.#options.onNews({ trustDomain: domain, kind: "failure", message });
      relation.failure = message;
      return false;
    }
  }

  close(): void {
    this.#ending.abort();
    for (const { timer } of this.#relations.values()) clearTimeout(timer);
  }
}

/** What tells two bundles apart. */
function idsOf({ x509Authorities, jwtKeys, witKeys, sequence, refreshHintSeconds }: TrustBundle): readonly unknown[] {
  return [
    x509Authorities.map(({ der }) => Buffer.from(der).toString("base64")),
    [...jwtKeys.values(), ...witKeys.values()].map(({ keyId, publicKey }) => [
      keyId,
      publicKey.export({ type: "spki", format: "der" }).toString("base64"),
    ]),
    String(sequence),
    refreshHintSeconds,
  ];
}
