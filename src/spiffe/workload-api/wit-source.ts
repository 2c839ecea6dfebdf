/** The WIT-SVIDs of this process with their keys, kept up to date by the agent. */
import type { ChangeNotice } from "../bundle-source.ts";
import { type SourceOptions, WatchedState } from "./source.ts";
import { follow } from "./subscription.ts";
import { type FetchedWitSvid, readWitUpdate, type WitUpdate } from "./wit-update.ts";

/** Starts following at once. What the agent takes back is gone at once; while the agent is away, what it said last stays until it expires. */
export class WorkloadWitSource implements ChangeNotice {
  readonly #state = new WatchedState<WitUpdate>();
  readonly #nowMs: () => number;

  constructor({ client, pacing, onProblem }: SourceOptions) {
    this.#nowMs = () => pacing.nowMs();
    void follow({
      open: (signal) => client.witSvids({ signal }),
      read: (message) => readWitUpdate(message, { nowMs: pacing.nowMs() }),
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

  /** The default one; undefined while there is none that is valid. */
  witSvid(): FetchedWitSvid | undefined {
    return this.witSvids()[0];
  }

  /** Those that are valid, the default first. */
  witSvids(): readonly FetchedWitSvid[] {
    const nowMs = this.#nowMs();
    return (this.#state.value ?? []).filter(({ svid }) => svid.expiresAtMs > nowMs);
  }

  onChange(listener: () => void): () => void {
    return this.#state.onChange(listener);
  }

  /** Resolves once there was an identity. Rejects with a GrpcError when the signal aborts, or the agent does not serve WIT-SVIDs. */
  ready(signal?: AbortSignal): Promise<void> {
    return this.#state.ready(signal);
  }

  /** Follows no more. The client stays open. */
  close(): void {
    this.#state.end();
  }
}
