/** The bundles of all trust domains that this process may know, X.509 and JWT, kept up to date by the agent; no identity is needed. */
import type { TrustBundle } from "../bundle.ts";
import type { BundleSource, ChangeNotice } from "../bundle-source.ts";
import type { TrustDomain } from "../spiffe-id.ts";
import { type SourceOptions, WatchedState } from "./source.ts";
import { follow, type SubscriptionOptions } from "./subscription.ts";
import { type Bundles, readJwtBundles, readX509Bundles } from "./update.ts";

/** Starts following at once. What the agent takes back is gone at once; while the agent is away, what it said last stays. */
export class WorkloadTrustSource implements BundleSource, ChangeNotice {
  readonly #state = new WatchedState<Bundles>();
  #x509: Bundles = new Map();
  #jwt: Bundles = new Map();
  #unserved = 0;

  constructor({ client, pacing, onProblem }: SourceOptions) {
    const common: Pick<SubscriptionOptions<never, never>, "pacing" | "signal" | "onProblem"> = {
      pacing,
      signal: this.#state.ended,
      onProblem: (problem, isFinal) => {
        // An operator may have turned one of the two off (SPIFFE_Workload_API §1).
        if (isFinal && ++this.#unserved === 2) this.#state.giveUp(problem);
        onProblem?.(problem);
      },
    };
    void follow({
      ...common,
      open: (signal) => client.x509Bundles({ signal }),
      read: readX509Bundles,
      onUpdate: (bundles) => this.#update(bundles, this.#jwt),
      onRedaction: () => this.#update(new Map(), this.#jwt),
    });
    void follow({
      ...common,
      open: (signal) => client.jwtBundles({ signal }),
      read: readJwtBundles,
      onUpdate: (bundles) => this.#update(this.#x509, bundles),
      onRedaction: () => this.#update(this.#x509, new Map()),
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

  #update(x509: Bundles, jwt: Bundles): void {
    this.#x509 = x509;
    this.#jwt = jwt;
    const merged = new Map(x509);
    for (const [domain, bundle] of jwt) merged.set(domain, { ...bundle, x509Authorities: x509.get(domain)?.x509Authorities ?? [] });
    this.#state.set(merged.size === 0 ? undefined : merged);
  }
}
