/** JWT-SVIDs, cached by entry and audiences, and renewed ahead of their expiry while somebody asks for them. */
import type { Tracer } from "../../lib/tracer.ts";
import type { SignJwtSvidResponse } from "../generated/vigil/authority/v1/authority_pb.ts";
import type { AuthorityClient } from "./authority-client.ts";
import { IssuanceTrace } from "./issuance-trace.ts";
import type { ServedEntry } from "./served-entry.ts";

export interface JwtToken {
  readonly token: string;
  readonly expiresAtMs: number;
  /** From then on it is asked for anew. */
  refreshAtMs: number;
  /** To be set whenever it is handed out: what nobody asked for since it was signed is not signed again. */
  isWanted: boolean;
}

interface Cached {
  readonly entry: ServedEntry;
  readonly audience: readonly string[];
  value: JwtToken | undefined;
  authorityId: string;
  underWay: Promise<JwtToken> | undefined;
}

export interface JwtTokenOptions {
  readonly client: AuthorityClient;
  readonly isTainted: (authorityId: string) => boolean;
  readonly onRefresh: () => void;
  readonly clock: () => number;
  readonly random: () => number;
  readonly limit: number;
  readonly tracer?: Tracer | undefined;
}

/** A token with less left than this part of its lifetime is handed out only when no newer one can be had. */
const ENOUGH = 0.1;
const REFRESH_AT = 0.5;
const JITTER = 0.1;
/** How long a caller waits for a newer one while the cached one is still valid. */
const PATIENCE_MS = 1_000;

export class JwtTokens {
  readonly #options: JwtTokenOptions;
  /** The least recently wanted first. */
  readonly #cache = new Map<string, Cached>();

  constructor(options: JwtTokenOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#cache.size;
  }

  /** A token for these audiences, in any order. Rejects with what the authority says when there is none. */
  async of(entry: ServedEntry, audience: readonly string[]): Promise<JwtToken> {
    const cached = this.#entryOf(entry, [...new Set(audience)].sort());
    const nowMs = this.#options.clock();
    const { value } = cached;
    if (value === undefined || value.expiresAtMs <= nowMs) return this.#sign(cached);
    value.isWanted = true;
    if (nowMs < value.refreshAtMs) return value;
    const newer = this.#sign(cached);
    const isEnough = value.expiresAtMs - nowMs > ENOUGH * entry.jwtTtlMs && !this.#options.isTainted(cached.authorityId);
    // What is valid is served, whatever becomes of the attempt.
    const atLast = newer.catch(() => value);
    return isEnough ? value : Promise.race([atLast, later(PATIENCE_MS, value)]);
  }

  /** Renews what is due and wanted, forgets what has expired; returns when to look again. */
  renewDue(): number {
    const nowMs = this.#options.clock();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [key, cached] of this.#cache) {
      const { value, underWay } = cached;
      if (underWay !== undefined || value === undefined) continue;
      if (value.expiresAtMs <= nowMs) this.#cache.delete(key);
      // A failure sets the time of the next attempt.
      else if (value.refreshAtMs <= nowMs && value.isWanted) this.#sign(cached).catch(() => {});
      else nextMs = Math.min(nextMs, value.refreshAtMs > nowMs ? value.refreshAtMs : value.expiresAtMs);
    }
    return nextMs;
  }

  /** Tokens of entries that are gone or have changed are not handed out again, and those of tainted authorities are signed anew. */
  follow(entryOf: (id: string) => ServedEntry | undefined): void {
    for (const [key, cached] of this.#cache) {
      if (entryOf(cached.entry.id) !== cached.entry) this.#cache.delete(key);
      else if (cached.value !== undefined && this.#options.isTainted(cached.authorityId))
        cached.value.refreshAtMs = Number.NEGATIVE_INFINITY;
    }
  }

  #entryOf(entry: ServedEntry, audience: readonly string[]): Cached {
    const key = JSON.stringify([entry.id, audience]);
    let cached = this.#cache.get(key);
    if (cached?.entry !== entry) {
      cached = { entry, audience, value: undefined, authorityId: "", underWay: undefined };
    } else this.#cache.delete(key);
    this.#cache.set(key, cached);
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size <= this.#options.limit) break;
      this.#cache.delete(oldest);
    }
    return cached;
  }

  /** One request at a time for each token. */
  #sign(cached: Cached): Promise<JwtToken> {
    cached.underWay ??= this.#request(cached).finally(() => {
      cached.underWay = undefined;
    });
    return cached.underWay;
  }

  async #request(cached: Cached): Promise<JwtToken> {
    const { client, clock, random, onRefresh } = this.#options;
    let signed: SignJwtSvidResponse;
    const trace = new IssuanceTrace(this.#options.tracer, "jwt", [cached.entry]);
    try {
      signed = await trace.around(() => client.signJwtSvid({ entryId: cached.entry.id, audience: [...cached.audience] }, trace.context));
    } catch (error) {
      // Not at every call: the next attempt comes after a little of what is left.
      if (cached.value !== undefined) {
        const leftMs = Math.max(0, cached.value.expiresAtMs - clock());
        cached.value.refreshAtMs = clock() + Math.min(PATIENCE_MS, leftMs * ENOUGH);
      }
      throw error;
    }
    const [issuedAtMs, expiresAtMs] = [Number(signed.issuedAtMs), Number(signed.expiresAtMs)];
    const refreshAtMs = issuedAtMs + (expiresAtMs - issuedAtMs) * (REFRESH_AT - JITTER * random());
    cached.value = { token: signed.token, expiresAtMs, refreshAtMs, isWanted: false };
    cached.authorityId = signed.authorityId;
    trace.end([{ ok: true, value: { notBeforeMs: issuedAtMs, notAfterMs: expiresAtMs, authorityId: signed.authorityId } }]);
    onRefresh();
    return cached.value;
  }
}

const later = <T>(durationMs: number, value: T): Promise<T> => new Promise((resolve) => setTimeout(resolve, durationMs, value).unref());
