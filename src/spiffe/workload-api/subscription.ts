/** Follows a stream of the Workload API for as long as it is wanted, through everything that ends the stream. */
import { BackOff, type Pacing } from "../../grpc/back-off.ts";
import { GrpcError } from "../../grpc/grpc-error.ts";
import type { Result } from "../../lib/result.ts";
import type { SpiffeError } from "../spiffe-error.ts";
import type { WorkloadApiProblem } from "./client.ts";

const LIMITS = { firstMs: 1000, maxMs: 30_000 } as const;
/** After a stream that lived so long the next one is opened at once (SPIFFE_Workload_API §4.2), but not by all at the same moment. */
const GOOD_LIFE_MS = 10_000;
const AT_ONCE_MS = 200;

export interface SubscriptionOptions<M, T> {
  readonly open: (signal: AbortSignal) => AsyncIterable<M>;
  readonly read: (message: M) => Result<T, SpiffeError>;
  /** Everything is as the update says, and nothing as it was before. */
  readonly onUpdate: (update: T) => void;
  /** The workload may have nothing any more. */
  readonly onRedaction: () => void;
  /** There will be another attempt, unless `isFinal`. A message that was refused is reported and otherwise ignored. */
  readonly onProblem: (problem: WorkloadApiProblem, isFinal: boolean) => void;
  readonly pacing: Pacing;
  readonly signal: AbortSignal;
}

/** Resolves when the signal has aborted, or when the agent does not serve this at all. */
export async function follow<M, T>(options: SubscriptionOptions<M, T>): Promise<void> {
  const { onProblem, onRedaction, pacing, signal } = options;
  const backOff = new BackOff(LIMITS, () => pacing.random());
  while (!signal.aborted) {
    const openedMs = pacing.nowMs();
    const problem = await readStream(options);
    if (signal.aborted) return;
    // Only these say that asking again is of no use (SPIFFE_Workload_Endpoint §6).
    const isFinal = problem.status === "INVALID_ARGUMENT" || problem.status === "UNIMPLEMENTED";
    if (problem.status === "PERMISSION_DENIED") onRedaction();
    onProblem(problem, isFinal);
    if (isFinal) return;
    const livedMs = pacing.nowMs() - openedMs;
    if (livedMs >= GOOD_LIFE_MS) backOff.reset();
    await pacing.sleep(livedMs >= GOOD_LIFE_MS ? AT_ONCE_MS * pacing.random() : backOff.nextMs(), signal);
  }
}

/** Reads until the stream ends, and tells why it did. */
async function readStream<M, T>({ open, read, onUpdate, onProblem, signal }: SubscriptionOptions<M, T>): Promise<GrpcError> {
  try {
    for await (const message of open(signal)) {
      const update = read(message);
      if (update.ok) onUpdate(update.value);
      else onProblem(update.error, false);
    }
    return new GrpcError("UNAVAILABLE", "the agent has ended the stream");
  } catch (thrown) {
    if (thrown instanceof GrpcError) return thrown;
    // What a listener has thrown is not the agent's doing, and would be lost here.
    throw thrown;
  }
}
