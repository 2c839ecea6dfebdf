/** The bundles of all trust domains that this process may know, X.509, JWT and WIT, kept up to date by the agent; no identity is needed. */
import type { TrustBundle } from "../bundle.ts";
import type { BundleSource, ChangeNotice } from "../bundle-source.ts";
import type { TrustDomain } from "../spiffe-id.ts";
import { type SourceOptions, WatchedState } from "./source.ts";
import { follow, type SubscriptionOptions } from "./subscription.ts";
import { type Bundles, readJwtBundles, readWitBundles, readX509Bundles } from "./update.ts";

/** Of bundles: X.509, JWT, WIT. */
const PROFILES = 3;

/** Starts following at once. What the agent takes back is gone at once; while the agent is away, what it said last stays. */
export class WorkloadTrustSource implements BundleSource, ChangeNotice {
  readonly #state = new WatchedState<Bundles>();
  #x509: Bundles = new Map();
  #jwt: Bundles = new Map();
  #wit: Bundles = new Map();
  #unserved = 0;

  constructor({ client, pacing, onProblem }: SourceOptions) {
    const common: Pick<SubscriptionOptions<never, never>, "pacing" | "signal" | "onProblem"> = {
      pacing,
      signal: this.#state.ended,
      onProblem: (problem, isFinal) => {
        // An operator may have turned some of them off (SPIFFE_Workload_API §1).
        if (isFinal && ++this.#unserved === PROFILES) this.#state.giveUp(problem);
        onProblem?.(problem);
      },
    };
    void follow({
      ...common,
      open: (signal) => client.x509Bundles({ signal }),
      read: readX509Bundles,
      onUpdate: (bundles) => this.#update({ x509: bundles }),
      onRedaction: () => this.#update({ x509: new Map() }),
    });
    void follow({
      ...common,
      open: (signal) => client.jwtBundles({ signal }),
      read: readJwtBundles,
      onUpdate: (bundles) => this.#update({ jwt: bundles }),
      onRedaction: () => this.#update({ jwt: new Map() }),
    });
    void follow({
      ...common,
      open: (signal) => client.witBundles({ signal }),
      read: readWitBundles,
      onUpdate: (bundles) => this.#update({ wit: bundles }),
      onRedaction: () => this.#update({ wit: new Map() }),
      onProblem: (problem, isFinal) => {
        // Most agents know nothing of WIT-SVIDs: that is no problem of anybody's (§7).
        if (!isFinal) onProblem?.(problem);
        else if (++this.#unserved === PROFILES) this.#state.giveUp(problem);
      },
    });
  }

  bundleOf(domain: TrustDomain): TrustBundle | undefined {
    return this.#state.value?.get(domain);
  }

  /** Those of which there is a bundle now. */
  trustDomains(): readonly TrustDomain[] {
    return [...(this.#state.value?.keys() ?? [])];
  }

  onChange(listener: () => void): () => void {
    return this.#state.onChange(listener);
  }

  /** Resolves once there was a bundle. Rejects with a GrpcError when the signal aborts, or the agent serves no bundles. */
  ready(signal?: AbortSignal): Promise<void> {
    return this.#state.ready(signal);
  }

  /** Follows no more. The client stays open. */
  close(): void {
    this.#state.end();
  }

  #update({ x509 = this.#x509, jwt = this.#jwt, wit = this.#wit }: { x509?: Bundles; jwt?: Bundles; wit?: Bundles }): void {
    this.#x509 = x509;
    this.#jwt = jwt;
    this.#wit = wit;
    const merged = new Map<TrustDomain, TrustBundle>();
    for (const trustDomain of new Set([...x509.keys(), ...jwt.keys(), ...wit.keys()]))
      merged.set(trustDomain, {
        trustDomain,
        x509Authorities: x509.get(trustDomain)?.x509Authorities ?? [],
        jwtKeys: jwt.get(trustDomain)?.jwtKeys ?? new Map(),
        witKeys: wit.get(trustDomain)?.witKeys ?? new Map(),
      });
    this.#state.set(merged.size === 0 ? undefined : merged);
  }
}
