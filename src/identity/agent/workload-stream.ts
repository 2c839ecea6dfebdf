/** The streams of workloads: the full state at once, then again with every change that concerns the caller. */
import type { CallContext } from "../../grpc/call-context.ts";
import { GrpcError } from "../../grpc/grpc-error.ts";
import type { Agent } from "./agent.ts";
import type { Caller, CallerView } from "./caller.ts";
import type { ServedEntry } from "./served-entry.ts";
import type { Composed } from "./workload-messages.ts";

export interface WorkloadStreamOptions<T> {
  readonly agent: Agent;
  readonly caller: Pick<Caller, "view" | "lastRefusal">;
  readonly compose: (view: CallerView) => Composed<T>;
  readonly isSame: (one: T, other: T) => boolean;
  /** How long the caller may have nothing before the stream ends: a workload may start before it is registered. */
  readonly patienceMs: number;
  /** Gets a function that has the stream look again, for a change that is the caller's own. */
  readonly onStart?: (lookAgain: () => void) => void;
  /** Whether the caller's X.509 credentials are kept as long as the stream. */
  readonly usesX509: boolean;
}

/** Ends when the call does, or with the `GrpcError` that says why the caller gets nothing. */
export async function* workloadStream<T>(
  context: Pick<CallContext, "signal" | "draining">,
  options: WorkloadStreamOptions<T>,
): AsyncGenerator<T> {
  const { agent, caller, compose, isSame, patienceMs, usesX509, onStart } = options;
  const signal = AbortSignal.any([context.signal, context.draining]);
  const watcher = agent.watchers.add();
  onStart?.(() => watcher.wake());
  const kept = new KeptEntries(agent);
  let last: T | undefined;
  let waitsUntilMs: number | undefined;
  try {
    while (!signal.aborted) {
      // Attested again for every message: the process may have become another one.
      const view = await caller.view();
      watcher.entries = view.entries;
      if (usesX509) kept.keep(view.entries);
      const composed = compose(view);
      if (composed.kind === "wait") {
        waitsUntilMs ??= performance.now() + patienceMs;
        const leftMs = waitsUntilMs - performance.now();
        // Who had identities and has none any more is not left to believe otherwise.
        const isWithdrawn = last !== undefined && composed.reason.status === "PERMISSION_DENIED";
        if (composed.isFinal || isWithdrawn || leftMs <= 0) {
          caller.lastRefusal = composed.reason.message;
          throw composed.reason;
        }
        await watcher.next(signal, leftMs);
        continue;
      }
      waitsUntilMs = undefined;
      if (last === undefined || !isSame(last, composed.value)) {
        last = composed.value;
        yield composed.value;
      }
      await watcher.next(signal);
    }
  } finally {
    watcher.close();
    kept.release();
  }
}

/** How long a call with one answer waits for it: the agent may just have started, and so may the workload. */
const UNARY_PATIENCE_MS = 1_000;

/** What a stream would begin with. Rejects with the `GrpcError` that says why there is nothing. */
export async function firstOf<T>(
  context: Pick<CallContext, "signal" | "draining">,
  options: Pick<WorkloadStreamOptions<T>, "agent" | "caller" | "compose" | "patienceMs">,
): Promise<T> {
  const patienceMs = Math.min(UNARY_PATIENCE_MS, options.patienceMs);
  for await (const first of workloadStream(context, { ...options, patienceMs, isSame: () => true, usesX509: false })) return first;
  throw new GrpcError("CANCELLED", "the call was cancelled");
}

/** Credentials that the cache must not drop while a stream is open. */
class KeptEntries {
  readonly #agent: Agent;
  #entries: readonly ServedEntry[] = [];
  #releases: readonly (() => void)[] = [];

  constructor(agent: Agent) {
    this.#agent = agent;
  }

  keep(entries: readonly ServedEntry[]): void {
    if (this.#entries === entries) return;
    const releases = entries.map((entry) => this.#agent.x509.use(entry));
    this.release();
    this.#entries = entries;
    this.#releases = releases;
  }

  release(): void {
    for (const release of this.#releases) release();
    this.#entries = [];
    this.#releases = [];
  }
}
