/** A source in memory: what one sets is what others see, at once. */
import type { TrustBundle } from "../spiffe/bundle.ts";
import type { BundleSource, ChangeNotice, X509Source } from "../spiffe/bundle-source.ts";
import type { TrustDomain } from "../spiffe/spiffe-id.ts";
import type { X509Svid } from "../spiffe/x509-svid.ts";

export interface IdentityState {
  readonly svid: X509Svid | undefined;
  readonly bundles: ReadonlyMap<TrustDomain, TrustBundle>;
}

export class IdentityStore implements X509Source, BundleSource, ChangeNotice {
  #state: IdentityState;
  readonly #listeners = new Set<() => void>();

  constructor(state: IdentityState = { svid: undefined, bundles: new Map() }) {
    this.#state = state;
  }

  x509Svid(): X509Svid | undefined {
    return this.#state.svid;
  }

  bundleOf(domain: TrustDomain): TrustBundle | undefined {
    return this.#state.bundles.get(domain);
  }

  /** Replaces the parts that are given. */
  set(change: Partial<IdentityState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of [...this.#listeners]) listener();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
