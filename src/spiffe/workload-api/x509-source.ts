/** The X.509 identity of this process and the bundles to verify peers with, kept up to date by the agent. */
import type { TrustBundle } from "../bundle.ts";
import type { BundleSource, ChangeNotice, X509Source } from "../bundle-source.ts";
import type { TrustDomain } from "../spiffe-id.ts";
import type { X509Svid } from "../x509-svid.ts";
import { type SourceOptions, WatchedState } from "./source.ts";
import { follow } from "./subscription.ts";
import { readX509Update, type X509Update } from "./update.ts";

export interface WorkloadX509Options extends SourceOptions {
  /** Which of several identities to present: the first, which is the default, unless told otherwise. */
  readonly pick?: (svids: readonly [X509Svid, ...X509Svid[]]) => X509Svid | undefined;
}

/** Starts following at once. What the agent takes back is gone at once; while the agent is away, what it said last stays. */
export class WorkloadX509Source implements X509Source, BundleSource, ChangeNotice {
  readonly #state = new WatchedState<X509Update>();
  readonly #pick: NonNullable<WorkloadX509Options["pick"]>;

  constructor({ client, pacing, onProblem, pick = ([first]) => first }: WorkloadX509Options) {
    this.#pick = pick;
    void follow({
      open: (signal) => client.x509Svids({ signal }),
      read: readX509Update,
      onUpdate: (update) => this.#state.set(update),
      onRedaction: () => this.#state.set(undefined),
      onProblem: (problem, isFinal) => {
        if (isFinal) this.#state.giveUp(problem);
        onProblem?.(problem);
      },
      pacing,
      signal: this.#state.ended,
    });
  }

  x509Svid(): X509Svid | undefined {
    const { value } = this.#state;
    return value === undefined ? undefined : this.#pick(value.svids);
  }

  /** All identities, the default first. */
  x509Svids(): readonly X509Svid[] {
    return this.#state.value?.svids ?? [];
  }

  /** X.509 authorities alone: tokens are verified with a `WorkloadBundleSource`. */
  bundleOf(domain: TrustDomain): TrustBundle | undefined {
    return this.#state.value?.bundles.get(domain);
  }

  /** Those of which there is a bundle now: the identities' own and the federated ones. */
  trustDomains(): readonly TrustDomain[] {
    return [...(this.#state.value?.bundles.keys() ?? [])];
  }

  onChange(listener: () => void): () => void {
    return this.#state.onChange(listener);
  }

  /** Resolves once there was an identity. Rejects with a GrpcError when the signal aborts, or the agent does not serve X.509. */
  ready(signal?: AbortSignal): Promise<void> {
    return this.#state.ready(signal);
  }

  /** Follows no more. The client stays open. */
  close(): void {
    this.#state.end();
  }
}
