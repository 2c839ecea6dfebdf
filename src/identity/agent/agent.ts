/** The node agent: what the authority says, the credentials of this machine's workloads, and who waits for them. */

import type { Tracer } from "../../lib/tracer.ts";
import type { AgentEvent } from "./agent-event.ts";
import { AgentState } from "./agent-state.ts";
import type { AuthorityClient } from "./authority-client.ts";
import { AuthorityLink, type LinkStatus } from "./authority-link.ts";
import { failureOf, issueWit, issueX509, type WitCredential, type X509Credential } from "./issuance.ts";
import { JwtTokens } from "./jwt-tokens.ts";
import { reconnectBackOff } from "./renewal.ts";
import { type Credential, RenewedCredentials } from "./renewed-credentials.ts";
import type { ServedEntry } from "./served-entry.ts";
import { TimeLeft } from "./time-left.ts";
import { Watchers } from "./watchers.ts";

export interface AgentOptions {
  readonly client: AuthorityClient;
  /** Must not throw. */
  readonly onEvent: (event: AgentEvent) => void;
  /** Milliseconds since the epoch; Date.now unless given. */
  readonly clock?: () => number;
  /** 0 ≤ x < 1; Math.random unless given. */
  readonly random?: () => number;
  /** X.509 credentials that are held although nobody uses them; 1000 unless given. */
  readonly softLimit?: number;
  /** JWT-SVIDs that are held; 1000 unless given. */
  readonly tokenLimit?: number;
  /** Where renewals leave their spans; nowhere unless given. */
  readonly tracer?: Tracer | undefined;
  /** How long the authority may take to say something after it took the connection; 10 s unless given. */
  readonly authorityTimeoutMs?: number;
}

const DEFAULT_LIMIT = 1_000;
const AUTHORITY_TIMEOUT_MS = 10_000;
/** The watchdog looks at least so often, and at most so often. */
const MAX_TICK_MS = 1_000;
const MIN_TICK_MS = 10;
/** A step of the wall clock that the time that passed does not explain. */
const JUMP_MS = 5_000;

export class Agent {
  readonly state: AgentState = new AgentState();
  readonly x509: RenewedCredentials<X509Credential>;
  readonly wit: RenewedCredentials<WitCredential>;
  readonly jwt: JwtTokens;
  /** Streams of workloads. */
  readonly watchers: Watchers;
  /** Streams of revocations, which nothing else concerns. */
  readonly revocationWatchers: Watchers;
  readonly clock: () => number;
  readonly startedAtMs: number;
  readonly onEvent: (event: AgentEvent) => void;
  /** Changes with everything that messages to workloads are made of beside credentials. */
  version = 0;
  /** How far the authority's clock was ahead when it last signed. */
  authorityClockAheadMs = 0;
  readonly #link: AuthorityLink;
  readonly #listeners = new Set<() => void>();
  readonly #client: AuthorityClient;
  readonly #softLimit: number;
  readonly #timeLeft: TimeLeft;
  #timer: NodeJS.Timeout | undefined;
  #attestations = 0;
  #expiryAtMs: number | undefined;
  #lostAtMs: number | undefined;
  #lastTick: { readonly wallMs: number; readonly steadyMs: number } | undefined;

  constructor(options: AgentOptions) {
    const {
      client,
      onEvent,
      tracer,
      clock = Date.now,
      random = Math.random,
      softLimit = DEFAULT_LIMIT,
      tokenLimit = DEFAULT_LIMIT,
    } = options;
    this.clock = clock;
    this.startedAtMs = clock();
    this.onEvent = onEvent;
    this.#client = client;
    this.#softLimit = softLimit;
    this.#timeLeft = new TimeLeft();
    this.watchers = new Watchers(random);
    this.revocationWatchers = new Watchers(random);
    const isTainted = (authorityId: string): boolean =>
      this.state.tainted.has(authorityId) || this.state.denials.authorityIds.has(authorityId);
    const shared = {
      isTainted,
      failureOf,
      clock,
      random,
      softLimit,
      onChange: (ids: ReadonlySet<string>) => this.#credentialsChanged(ids),
    };
    this.x509 = new RenewedCredentials({
      ...shared,
      mustLeave: (credential) => isTainted(credential.authorityId) || !this.isPermitted(credential, credential.serial),
      issue: (entries) =>
        issueX509(
          client,
          entries,
          (authorityNowMs) => {
            this.authorityClockAheadMs = authorityNowMs - clock();
          },
          tracer,
        ),
    });
    this.wit = new RenewedCredentials({
      ...shared,
      mustLeave: ({ authorityId }) => isTainted(authorityId),
      issue: (entries) => issueWit(client, entries, tracer),
    });
    this.jwt = new JwtTokens({ client, isTainted, clock, random, limit: tokenLimit, tracer, onRefresh: () => this.#schedule() });
    this.#link = new AuthorityLink({
      client,
      clock,
      random,
      firstMessageMs: options.authorityTimeoutMs ?? AUTHORITY_TIMEOUT_MS,
      backOff: () => reconnectBackOff(this.#shortestTtlMs()),
      onUpdate: (update) => this.#update(update),
      onStatus: (status) => this.#linkChanged(status),
    });
  }

  get link(): LinkStatus {
    return this.#link.status;
  }

  get authorityAddress(): string {
    return this.#client.address;
  }

  /** It knows the authority's state, and nothing that it holds has expired for want of renewal. */
  get isReady(): boolean {
    return this.state.trustDomain !== undefined && this.x509.expiredCount() === 0;
  }

  /** Calls `listener` after each change of what the agent holds, until the function that it returns is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Works until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    this.#tick();
    try {
      await this.#link.run(signal);
    } finally {
      clearTimeout(this.#timer);
      await this.#client.close();
    }
  }

  /** Counts what makes everybody to be attested again. */
  get attestationGeneration(): number {
    // Whether programs are to be hashed is part of what was attested.
    return 2 * this.#attestations + (this.state.wantsDigest ? 1 : 0);
  }

  /** Has callers looked at again: what attestors know has changed. */
  attestAgain(): void {
    this.#attestations++;
    this.watchers.wake();
  }

  /** The entries that a workload has, without those that are denied; `isDenied` when only denied ones are there. */
  entriesOf(selectors: readonly string[]): { readonly entries: readonly ServedEntry[]; readonly isDenied: boolean } {
    const all = this.state.entriesOf(selectors);
    const entries = all.filter(({ spiffeId }) => !this.state.denials.spiffeIds.has(spiffeId));
    return { entries, isDenied: all.length > 0 && entries.length === 0 };
  }

  /** Whether a credential may be handed out: neither its serial nor the authority that signed it is denied. */
  isPermitted({ authorityId }: Credential, serial?: string): boolean {
    const { serials, authorityIds } = this.state.denials;
    return !authorityIds.has(authorityId) && (serial === undefined || !serials.has(serial));
  }

  #update(update: Parameters<AgentState["apply"]>[0]): void {
    const { entries, bundles, denials, problems } = this.state.apply(update);
    for (const message of problems) this.onEvent({ kind: "unreadable", message });
    if (!entries && !bundles && !denials) return;
    const entryOf = (id: string): ServedEntry | undefined => this.state.entry(id);
    this.x509.follow(entryOf);
    this.wit.follow(entryOf);
    this.jwt.follow(entryOf);
    if (entries) this.#prefetch();
    this.#changed();
    if (denials || bundles) this.revocationWatchers.wake();
    this.#schedule();
  }

  /** A workload that starts should find its identity there. */
  #prefetch(): void {
    for (const entry of this.state.entries()) {
      if (this.x509.size >= this.#softLimit) return;
      if (!this.state.denials.spiffeIds.has(entry.spiffeId)) this.x509.of(entry);
    }
  }

  #credentialsChanged(ids: ReadonlySet<string>): void {
    for (const id of ids) {
      const entry = this.state.entry(id);
      const failure = entry && this.x509.of(entry).failure;
      // One that only waits for the authority is told of as a whole.
      if (entry !== undefined && failure !== undefined && this.link.state === "connected") {
        this.onEvent({ kind: "renewal failed", spiffeId: entry.spiffeId, status: failure.code, message: failure.message });
      }
    }
    // Credentials come in batches: only those are woken who show one of them.
    this.watchers.wake(ids);
    this.#tellListeners();
    this.#schedule();
  }

  #changed(): void {
    this.version++;
    this.watchers.wake();
    this.#tellListeners();
  }

  #tellListeners(): void {
    for (const listener of this.#listeners) listener();
  }

  #linkChanged({ state, sinceMs, problem }: LinkStatus): void {
    if (state === "connected") {
      if (this.#lostAtMs !== undefined) this.onEvent({ kind: "authority back", awayMs: sinceMs - this.#lostAtMs });
      this.#lostAtMs = undefined;
      this.#timeLeft.reset();
      this.x509.retry();
      this.wit.retry();
    } else if (this.#lostAtMs === undefined) {
      this.#lostAtMs = sinceMs;
      this.onEvent({ kind: "authority lost", message: problem?.message ?? "", firstExpiryMs: this.x509.firstExpiryMs() });
      this.watchers.wake();
    }
    this.#schedule();
  }

  /** The watchdog: renews what is due, says what runs out. */
  #tick(): void {
    const nowMs = this.clock();
    this.#noticeJump(nowMs);
    const nextMs = Math.min(this.x509.renewDue(), this.wit.renewDue(), this.jwt.renewDue());
    this.#noticeExpiry(nowMs);
    const expiryMs = this.x509.firstExpiryMs();
    if (this.#lostAtMs !== undefined && expiryMs !== undefined) {
      const leftMs = this.#timeLeft.step(expiryMs - nowMs);
      if (leftMs !== undefined) this.onEvent({ kind: "time left", leftMs });
    }
    this.#expiryAtMs = expiryMs;
    this.#schedule(Math.min(nextMs, expiryMs ?? Number.POSITIVE_INFINITY));
  }

  #noticeJump(nowMs: number): void {
    const steadyMs = performance.now();
    const last = this.#lastTick;
    this.#lastTick = { wallMs: nowMs, steadyMs };
    if (last === undefined) return;
    const byMs = nowMs - last.wallMs - (steadyMs - last.steadyMs);
    if (Math.abs(byMs) < JUMP_MS) return;
    this.onEvent({ kind: "clock jumped", byMs });
    this.#link.hurry();
    this.x509.retry();
    this.wit.retry();
    this.#changed();
  }

  #noticeExpiry(nowMs: number): void {
    if (this.#expiryAtMs === undefined || nowMs < this.#expiryAtMs) return;
    this.onEvent({ kind: "identity expired", count: this.x509.expiredCount() });
    this.#changed();
  }

  #schedule(nextMs = 0): void {
    const waitMs = Math.min(MAX_TICK_MS, Math.max(MIN_TICK_MS, nextMs - this.clock()));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#tick(), waitMs).unref();
  }

  #shortestTtlMs(): number | undefined {
    let shortest: number | undefined;
    for (const { credential } of this.x509.valid()) {
      const ttlMs = credential.notAfterMs - credential.notBeforeMs;
      shortest = Math.min(shortest ?? ttlMs, ttlMs);
    }
    return shortest;
  }
}
