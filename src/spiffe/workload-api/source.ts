/** What sources of the Workload API have in common: a state that is replaced, listeners, a first answer to wait for, an end. */
import type { Pacing } from "../../grpc/back-off.ts";
import { GrpcError } from "../../grpc/grpc-error.ts";
import type { ChangeNotice } from "../bundle-source.ts";
import type { WorkloadApiClient, WorkloadApiProblem } from "./client.ts";

export interface SourceOptions {
  readonly client: WorkloadApiClient;
  readonly pacing: Pacing;
  /** Told about everything that goes wrong; the source goes on. */
  readonly onProblem?: (problem: WorkloadApiProblem) => void;
}

export class WatchedState<T> implements ChangeNotice {
  #value: T | undefined;
  readonly #listeners = new Set<() => void>();
  readonly #first = Promise.withResolvers<void>();
  readonly #ending = new AbortController();

  constructor() {
    // Nobody has to wait for the first value.
    this.#first.promise.catch(() => undefined);
  }

  get value(): T | undefined {
    return this.#value;
  }

  /** Aborts when the source is closed. */
  get ended(): AbortSignal {
    return this.#ending.signal;
  }

  set(value: T | undefined): void {
    if (value === undefined && this.#value === undefined) return;
    this.#value = value;
    if (value !== undefined) this.#first.resolve();
    for (const listener of this.#listeners) listener();
  }

  /** There will be no first value. */
  giveUp(problem: unknown): void {
    this.#first.reject(problem);
  }

  onChange(listener: () => void): () => void {
    // A wrapper, so that one function may listen twice.
    const entry = (): void => listener();
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  /** Resolves once there has been a value; rejects when the signal aborts, the source is closed or the agent does not serve it. */
  async ready(signal?: AbortSignal): Promise<void> {
    if (signal === undefined) return this.#first.promise;
    const { promise, reject } = Promise.withResolvers<never>();
    const cancel = (): void => reject(new GrpcError("CANCELLED", "nobody waits for the agent any more", { cause: signal.reason }));
    signal.addEventListener("abort", cancel);
    if (signal.aborted) cancel();
    try {
      await Promise.race([this.#first.promise, promise]);
    } finally {
      signal.removeEventListener("abort", cancel);
    }
  }

  end(): void {
    this.#ending.abort();
    this.#first.reject(new GrpcError("CANCELLED", "the source is closed"));
  }
}
