/** JWT-SVIDs of this process: fetched once for each audience, renewed before they expire, given from memory while the agent is away. */
import type { Pacing } from "../../grpc/back-off.ts";
import { GrpcError } from "../../grpc/grpc-error.ts";
import type { SpiffeId } from "../spiffe-id.ts";
import type { FetchedJwtSvid, JwtSvidRequest, WorkloadApiClient, WorkloadApiProblem } from "./client.ts";

export interface WorkloadJwtOptions {
  readonly client: WorkloadApiClient;
  readonly pacing: Pacing;
  /** Tokens that are kept; the one that was not asked for the longest goes first. 1000 unless told otherwise. */
  readonly maxTokens?: number;
  /** A token that is valid could not be renewed: it will be tried again. */
  readonly onProblem?: (problem: WorkloadApiProblem) => void;
}

const MAX_TOKENS = 1000;
const FETCH_TIMEOUT_MS = 30_000;
/** A token this close to its end may have expired when it arrives. */
const TOO_LATE_MS = 5000;
const RETRY_MS = 1000;

interface Entry {
  readonly svid: FetchedJwtSvid;
  /** When to ask for the next one: in the middle of its life, and again a while after each failure. */
  renewAtMs: number;
}

export class WorkloadJwtSource {
  readonly #options: WorkloadJwtOptions;
  /** The one that was asked for last stands last. */
  readonly #tokens = new Map<string, Entry>();
  readonly #fetches = new Map<string, Promise<FetchedJwtSvid>>();

  constructor(options: WorkloadJwtOptions) {
    this.#options = options;
  }

  /**
   * A token for the audiences, valid for some time yet. From the middle of its life on it is renewed behind the caller's back. Rejects with
   * a GrpcError or SpiffeError when there is none. `id`: the default identity when absent.
   */
  async jwtSvid(audiences: readonly string[], id?: SpiffeId): Promise<FetchedJwtSvid> {
    // A set has one spelling; joining with a character would make one of two sets.
    const request: JwtSvidRequest = { audiences, ...(id === undefined ? {} : { id }) };
    const key = JSON.stringify([id ?? "", ...[...new Set(audiences)].sort()]);
    const nowMs = this.#options.pacing.nowMs();
    const entry = this.#tokens.get(key);
    if (entry === undefined || entry.svid.expiresAtMs - TOO_LATE_MS <= nowMs) {
      this.#tokens.delete(key);
      return this.#fetchOnce(key, request);
    }
    this.#tokens.delete(key);
    this.#tokens.set(key, entry);
    if (nowMs >= entry.renewAtMs) void this.#renew(key, entry, request);
    return entry.svid;
  }

  /** Tokens that are kept. */
  get size(): number {
    return this.#tokens.size;
  }

  async #renew(key: string, entry: Entry, request: JwtSvidRequest): Promise<void> {
    try {
      await this.#fetchOnce(key, request);
    } catch (thrown) {
      entry.renewAtMs = this.#options.pacing.nowMs() + RETRY_MS;
      // What was taken back is not served from memory.
      if (thrown instanceof GrpcError && thrown.status === "PERMISSION_DENIED") this.#tokens.delete(key);
      // The calls of the client fail with nothing else.
      this.#options.onProblem?.(thrown as WorkloadApiProblem);
    }
  }

  /** Many that ask for the same share one call. */
  #fetchOnce(key: string, request: JwtSvidRequest): Promise<FetchedJwtSvid> {
    const running = this.#fetches.get(key);
    if (running !== undefined) return running;
    const fetching = this.#call(key, request).finally(() => this.#fetches.delete(key));
    this.#fetches.set(key, fetching);
    return fetching;
  }

  async #call(key: string, request: JwtSvidRequest): Promise<FetchedJwtSvid> {
    const { client, pacing, maxTokens = MAX_TOKENS } = this.#options;
    const fetched = await client.fetchJwtSvids(request, { nowMs: pacing.nowMs(), timeoutMs: FETCH_TIMEOUT_MS });
    if (!fetched.ok) throw fetched.error;
    const [svid] = fetched.value;
    const nowMs = pacing.nowMs();
    this.#tokens.delete(key);
    this.#tokens.set(key, { svid, renewAtMs: nowMs + (svid.expiresAtMs - nowMs) / 2 });
    for (const oldest of this.#tokens.keys()) {
      if (this.#tokens.size <= maxTokens) break;
      this.#tokens.delete(oldest);
    }
    return svid;
  }
}
