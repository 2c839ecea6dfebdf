/**
 * Credentials of workloads, obtained when they are wanted and renewed before they expire. One instance holds those of one kind; how they
 * are made is the caller's. Time is asked of a clock at each step, never counted, so that a machine that slept finds out at once.
 */
import type { Lifetime } from "./renewal.ts";
import { pauseMs, renewalTimeMs } from "./renewal.ts";
import type { ServedEntry } from "./served-entry.ts";

export interface Credential extends Lifetime {
  /** Who signed: compared with the tainted ones. */
  readonly authorityId: string;
  /** When the authority wants it renewed. */
  readonly renewAtMs?: number;
}

export interface IssueFailure {
  readonly code: string;
  readonly message: string;
  /** Asking again for the same entry gives the same answer. */
  readonly isFinal: boolean;
}

export type Issued<C> = { readonly ok: true; readonly value: C } | { readonly ok: false; readonly error: IssueFailure };

export interface CredentialOptions<C extends Credential> {
  /** One outcome for each entry, in their order. Rejects when the authority cannot be asked. */
  readonly issue: (entries: readonly ServedEntry[]) => Promise<readonly Issued<C>[]>;
  /** Whether it is to be replaced at once: its authority is tainted, or it is denied. */
  readonly mustLeave: (credential: C) => boolean;
  /** What is held has changed for these entries. */
  readonly onChange: (entryIds: ReadonlySet<string>) => void;
  readonly failureOf: (error: unknown) => IssueFailure;
  readonly clock: () => number;
  readonly random: () => number;
  /** More are held only while workloads use them. */
  readonly softLimit: number;
}

interface Held<C> {
  entry: ServedEntry;
  credential: C | undefined;
  /** The entry for which it was issued: another revision wants another credential. */
  issuedFor: ServedEntry | undefined;
  renewAtMs: number;
  /** Until then, a tainted authority that goes on signing is waited for. */
  leaveAgainAtMs: number;
  failure: IssueFailure | undefined;
  failures: number;
  users: number;
  isUnderWay: boolean;
}

const BATCH = 100;
const MAX_BATCHES = 4;
/** A refusal that asking again does not change is asked about again all the same, rarely. */
const FINAL_RETRY_MS = 60_000;
const LEAVE_AGAIN_MS = 5_000;
const RETRY = { minMs: 250, maxMs: 30_000 };
const RETRY_FRACTION = 0.05;

export class RenewedCredentials<C extends Credential> {
  readonly #options: CredentialOptions<C>;
  /** The least recently wanted first. */
  readonly #held = new Map<string, Held<C>>();
  readonly #queue = new Set<string>();
  #batches = 0;

  constructor(options: CredentialOptions<C>) {
    this.#options = options;
  }

  /** Those that are there and valid. */
  *valid(): Iterable<{ readonly entry: ServedEntry; readonly credential: C; readonly renewAtMs: number }> {
    const nowMs = this.#options.clock();
    for (const { entry, issuedFor, credential, renewAtMs } of this.#held.values()) {
      if (credential !== undefined && issuedFor?.spiffeId === entry.spiffeId && credential.notAfterMs > nowMs)
        yield { entry, credential, renewAtMs };
    }
  }

  get size(): number {
    return this.#held.size;
  }

  /** Of an entry: what is valid now, and why there is none or no newer one. Obtains it when it is missing. */
  of(entry: ServedEntry): { readonly credential: C | undefined; readonly failure: IssueFailure | undefined; readonly renewAtMs: number } {
    const held = this.#want(entry);
    // One that was issued for another identity is not this entry's.
    const isValid =
      held.credential !== undefined && held.issuedFor?.spiffeId === entry.spiffeId && held.credential.notAfterMs > this.#options.clock();
    return { credential: isValid ? held.credential : undefined, failure: held.failure, renewAtMs: held.renewAtMs };
  }

  /** Keeps the credential of an entry, whatever the limit, until the function that it returns is called. */
  use(entry: ServedEntry): () => void {
    const held = this.#want(entry);
    held.users++;
    let isUsed = true;
    return () => {
      if (isUsed) held.users--;
      isUsed = false;
      this.#evict();
    };
  }

  /** Takes over which entries there are: those that are gone are forgotten, those that changed are renewed. */
  follow(entryOf: (id: string) => ServedEntry | undefined): void {
    for (const [id, held] of this.#held) {
      const entry = entryOf(id);
      if (entry === undefined) {
        this.#held.delete(id);
        this.#queue.delete(id);
      } else if (entry !== held.entry) {
        held.entry = entry;
        held.failure = undefined;
        held.failures = 0;
        held.renewAtMs = Number.NEGATIVE_INFINITY;
      }
    }
    this.renewDue();
  }

  /** What failed because the authority was out of reach is due now. */
  retry(): void {
    for (const held of this.#held.values()) {
      if (held.failure !== undefined && !held.failure.isFinal) held.renewAtMs = Number.NEGATIVE_INFINITY;
    }
    this.renewDue();
  }

  /** Begins to renew what is due, tainted ones included; returns when the next one is. */
  renewDue(): number {
    const nowMs = this.#options.clock();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [id, held] of this.#held) {
      if (held.isUnderWay || this.#queue.has(id)) continue;
      if (held.renewAtMs <= nowMs || this.#mustLeave(held, nowMs)) this.#queue.add(id);
      else nextMs = Math.min(nextMs, held.renewAtMs);
    }
    this.#pump();
    return nextMs;
  }

  /** When the first of those that are held expires. */
  firstExpiryMs(): number | undefined {
    let first: number | undefined;
    for (const { credential } of this.valid()) first = Math.min(first ?? credential.notAfterMs, credential.notAfterMs);
    return first;
  }

  /** Whether it is tainted or denied, and was not renewed for that reason just now. */
  #mustLeave(held: Held<C>, nowMs: number): boolean {
    if (held.credential === undefined || held.failure !== undefined || !this.#options.mustLeave(held.credential)) return false;
    if (nowMs < held.leaveAgainAtMs) return false;
    held.leaveAgainAtMs = nowMs + LEAVE_AGAIN_MS;
    return true;
  }

  expiredCount(): number {
    const nowMs = this.#options.clock();
    return [...this.#held.values()].filter(({ credential }) => credential !== undefined && credential.notAfterMs <= nowMs).length;
  }

  #want(entry: ServedEntry): Held<C> {
    let held = this.#held.get(entry.id);
    if (held === undefined) {
      held = {
        entry,
        credential: undefined,
        issuedFor: undefined,
        renewAtMs: Number.NEGATIVE_INFINITY,
        leaveAgainAtMs: Number.NEGATIVE_INFINITY,
        failure: undefined,
        failures: 0,
        users: 0,
        isUnderWay: false,
      };
      this.#queue.add(entry.id);
    } else this.#held.delete(entry.id);
    this.#held.set(entry.id, held);
    this.#evict();
    this.#pump();
    return held;
  }

  #evict(): void {
    if (this.#held.size <= this.#options.softLimit) return;
    let excess = this.#held.size - this.#options.softLimit;
    for (const [id, held] of this.#held) {
      if (excess === 0) return;
      if (held.users > 0 || held.isUnderWay || this.#queue.has(id)) continue;
      this.#held.delete(id);
      excess--;
    }
  }

  #pump(): void {
    while (this.#queue.size > 0 && this.#batches < MAX_BATCHES) {
      const batch: Held<C>[] = [];
      for (const id of this.#queue) {
        this.#queue.delete(id);
        const held = this.#held.get(id);
        if (held === undefined) continue;
        held.isUnderWay = true;
        batch.push(held);
        if (batch.length === BATCH) break;
      }
      if (batch.length === 0) return;
      this.#batches++;
      void this.#issue(batch).finally(() => {
        this.#batches--;
        this.#pump();
      });
    }
  }

  async #issue(batch: readonly Held<C>[]): Promise<void> {
    const entries = batch.map(({ entry }) => entry);
    let outcomes: readonly Issued<C>[];
    try {
      outcomes = await this.#options.issue(entries);
    } catch (error) {
      const failure = this.#options.failureOf(error);
      outcomes = batch.map(() => ({ ok: false, error: failure }));
    }
    const changed = new Set<string>();
    for (const [index, held] of batch.entries()) {
      held.isUnderWay = false;
      const outcome = outcomes[index];
      const entry = entries[index];
      if (outcome === undefined || entry === undefined || this.#held.get(entry.id) !== held) continue;
      if (outcome.ok) this.#succeed(held, entry, outcome.value);
      else this.#fail(held, outcome.error);
      changed.add(entry.id);
    }
    if (changed.size > 0) this.#options.onChange(changed);
  }

  #succeed(held: Held<C>, entry: ServedEntry, credential: C): void {
    held.credential = credential;
    held.issuedFor = entry;
    held.failure = undefined;
    held.failures = 0;
    // The entry may have changed again meanwhile.
    held.renewAtMs =
      held.entry === entry ? renewalTimeMs(credential, this.#options.random(), credential.renewAtMs) : Number.NEGATIVE_INFINITY;
  }

  #fail(held: Held<C>, failure: IssueFailure): void {
    const { clock, random } = this.#options;
    held.failure = failure;
    held.failures++;
    if (failure.isFinal) {
      // What is denied or unknown is not served on, although it has not expired.
      held.credential = undefined;
      held.renewAtMs = clock() + FINAL_RETRY_MS;
      return;
    }
    const maxMs = Math.max(RETRY.minMs, Math.min(RETRY.maxMs, RETRY_FRACTION * held.entry.x509TtlMs));
    held.renewAtMs = clock() + pauseMs(held.failures, random(), { minMs: Math.min(RETRY.minMs, maxMs), maxMs });
  }
}
