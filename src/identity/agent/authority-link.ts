/** The lasting connection to the authority: one stream of its state, made again with growing pauses whenever it ends. */

import { create } from "@bufbuild/protobuf";
import { GrpcError } from "../../grpc/grpc-error.ts";
import { messageOf } from "../../lib/error.ts";
import { type SyncResponse, SyncResponseSchema } from "../generated/vigil/authority/v1/authority_pb.ts";
import type { AuthorityClient } from "./authority-client.ts";
import { type BackOff, pauseMs } from "./renewal.ts";

export interface LinkProblem {
  /** The gRPC status: `UNAVAILABLE`. */
  readonly status: string;
  readonly message: string;
}

export interface LinkStatus {
  readonly state: "never" | "connected" | "waiting";
  readonly sinceMs: number;
  /** Of the last attempt that failed, until one succeeds. */
  readonly problem: LinkProblem | undefined;
}

export interface LinkOptions {
  readonly client: AuthorityClient;
  readonly clock: () => number;
  readonly random: () => number;
  readonly backOff: () => BackOff;
  readonly onUpdate: (update: SyncResponse) => void;
  readonly onStatus: (status: LinkStatus) => void;
  /** How long the first message may take. */
  readonly firstMessageMs: number;
}

export class AuthorityLink {
  readonly #options: LinkOptions;
  #status: LinkStatus;
  #hurry: (() => void) | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#status = { state: "never", sinceMs: options.clock(), problem: undefined };
  }

  get status(): LinkStatus {
    return this.#status;
  }

  /** Keeps the connection until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { random, backOff } = this.#options;
    for (let failures = 1; !signal.aborted; failures++) {
      const problem = await this.#follow(signal, () => {
        failures = 0;
      });
      if (signal.aborted) return;
      const state = this.#status.state === "never" ? "never" : "waiting";
      this.#enter({ state, sinceMs: state === this.#status.state ? this.#status.sinceMs : this.#options.clock(), problem });
      await this.#pause(pauseMs(failures, random(), backOff()), signal);
    }
  }

  /** Ends a pause: something says that now is a good time, such as a machine that woke up. */
  hurry(): void {
    this.#hurry?.();
  }

  /** Follows one stream to its end, and says why it ended. */
  async #follow(signal: AbortSignal, onFirst: () => void): Promise<LinkProblem> {
    const { client, clock, onUpdate, firstMessageMs } = this.#options;
    const attempt = new AbortController();
    const tooLate = setTimeout(() => attempt.abort(), firstMessageMs);
    try {
      let isFirst = true;
      let parts: SyncResponse[] = [];
      for await (const part of client.sync(AbortSignal.any([signal, attempt.signal]))) {
        parts.push(part);
        // Half of a state is none: workloads in the other half would lose their identities for a moment.
        if (part.continues) continue;
        onUpdate(joined(part, parts));
        parts = [];
        if (!isFirst) continue;
        isFirst = false;
        clearTimeout(tooLate);
        onFirst();
        this.#enter({ state: "connected", sinceMs: clock(), problem: undefined });
      }
      return { status: "UNAVAILABLE", message: "the authority ended the stream of its state" };
    } catch (error) {
      if (attempt.signal.aborted) return { status: "DEADLINE_EXCEEDED", message: `the authority sent nothing within ${firstMessageMs} ms` };
      return problemOf(error);
    } finally {
      clearTimeout(tooLate);
    }
  }

  #enter(status: LinkStatus): void {
    this.#status = status;
    this.#options.onStatus(status);
  }

  #pause(durationMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        this.#hurry = undefined;
        resolve();
      };
      const timer = setTimeout(done, durationMs);
      signal.addEventListener("abort", done, { once: true });
      this.#hurry = done;
    });
  }
}

/** The parts of one update as if it had been sent at once. */
function joined(last: SyncResponse, parts: readonly SyncResponse[]): SyncResponse {
  if (parts.length === 1) return last;
  const bundles = parts.findLast((part) => part.bundles !== undefined)?.bundles;
  const denials = parts.findLast((part) => part.denials !== undefined)?.denials;
  return create(SyncResponseSchema, {
    isFull: parts[0]?.isFull ?? false,
    entries: parts.flatMap(({ entries }) => entries),
    removedEntryIds: parts.flatMap(({ removedEntryIds }) => removedEntryIds),
    revision: last.revision,
    ...(bundles === undefined ? {} : { bundles }),
    ...(denials === undefined ? {} : { denials }),
  });
}

export const problemOf = (error: unknown): LinkProblem =>
  error instanceof GrpcError ? { status: error.status, message: error.message } : { status: "INTERNAL", message: messageOf(error) };
