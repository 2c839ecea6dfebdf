/**
 * The authorities of a trust domain: made, activated, replaced, tainted, revoked. Every change is in the journal before it is in force.
 * INVARIANT: nothing is signed by a key whose record is not on the disk.
 */
import { messageOf, type VigilError } from "../../lib/error.ts";
import type { KeyType } from "../../resource/trust-domain.ts";
import type { TrustBundle } from "../../spiffe/bundle.ts";
import type { TrustDomain } from "../../spiffe/spiffe-id.ts";
import { ActiveSigners, type CertificateSigner, type JwsSigner } from "./active-signers.ts";
import { authorityBundle } from "./authority-bundle.ts";
import { type AuthorityErrorCode, authorityError } from "./authority-error.ts";
import { isKeyOf, prune, replaced, withoutUpstream, withPrepared } from "./authority-phases.ts";
import { AUTHORITY_KINDS, type AuthorityKind, type AuthorityRecord } from "./authority-record.ts";
import { type DownstreamKey, isSameTrust, isUndermined, type UpstreamTrust, withDownstreamKey, withKeys } from "./foreign-trust.ts";
import type { Journal, JournalState } from "./journal.ts";
import type { KeyStore, SigningKey } from "./key-store.ts";
import { makeAuthority } from "./make-authority.ts";
import { dueStep, fittingRefreshHintSeconds, nextDueMs, publishedMs, type RotationStep } from "./rotation.ts";
import type { UpstreamAuthority } from "./upstream-authority.ts";

export interface KeyLifetime {
  readonly keyType: KeyType;
  readonly ttlMs: number;
}

export interface AuthoritySetOptions {
  readonly trustDomain: TrustDomain;
  readonly journal: Journal;
  readonly keyStore: KeyStore;
  /** Undefined: our X.509 authorities are roots. */
  readonly upstream: UpstreamAuthority | undefined;
  /** Asked for each new key: resources change them. */
  readonly lifetimeOf: (kind: AuthorityKind) => KeyLifetime;
  /** How often others should fetch the bundle; what fits into the lives of the keys is taken. */
  readonly refreshHintMs: () => number;
  readonly nowMs: () => number;
  readonly random: (bytes: number) => Uint8Array;
  /** What happened, for events and logs. */
  readonly onNews: (news: AuthorityNews) => void;
}

export interface AuthorityNews {
  readonly action: "prepare" | "activate" | "taint" | "revoke" | "retire" | "lose key";
  readonly record: AuthorityRecord;
  readonly message: string;
  /** Whether it is the only one of its kind, as at the first start of an installation. */
  readonly isOnly: boolean;
}

const MAX_STEPS = 32;
const LONGEST_WAIT_MS = 60 * 60 * 1000;

export class AuthoritySet {
  readonly #options: AuthoritySetOptions;
  readonly #listeners = new Set<() => void>();
  readonly #signers = new ActiveSigners();
  #bundle: TrustBundle;
  /** Changes happen one after another. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(options: AuthoritySetOptions) {
    this.#options = options;
    this.#bundle = authorityBundle(options.journal.state, this.refreshHintSeconds);
  }

  /**
   * The authorities of the journal, with their keys, and those that are missing made. A key that is lost or damaged is never used: its
   * authority stays in the bundle while what it signed may live, and another signs. Rejects with an `AuthorityErrorCode`.
   */
  static async open(options: AuthoritySetOptions): Promise<AuthoritySet> {
    const set = new AuthoritySet(options);
    await set.#loadKeys();
    await set.#removeOrphans();
    if (options.upstream?.trust === undefined && options.journal.state.upstream !== undefined) await set.#change(withoutUpstream);
    // An authority above that is away, or a full disk, is no reason for those that sign to stop: what is due is tried again.
    await set.advance().catch((thrown: unknown) => {
      if (!AUTHORITY_KINDS.every((kind) => set.#signers.isAlive(kind, options.nowMs()))) throw thrown;
    });
    return set;
  }

  get records(): readonly AuthorityRecord[] {
    return this.#options.journal.state.authorities;
  }

  /** The bundle as it is published. */
  get bundle(): TrustBundle {
    return this.#bundle;
  }

  /** IDs of those whose work is to be replaced at once. */
  get taintedIds(): readonly string[] {
    return this.records.filter(({ isTainted, phase }) => isTainted && phase !== "gone").map(({ id }) => id);
  }

  get refreshHintSeconds(): number {
    const { refreshHintMs, lifetimeOf } = this.#options;
    const shortestMs = Math.min(...AUTHORITY_KINDS.map((kind) => lifetimeOf(kind).ttlMs));
    return fittingRefreshHintSeconds(refreshHintMs(), shortestMs);
  }

  /** Throws `AUTHORITY_NONE_ACTIVE` when nothing may sign certificates now. */
  certificateSigner(): CertificateSigner {
    return this.#signers.certificate(this.#options.nowMs());
  }

  /** Throws `AUTHORITY_NONE_ACTIVE` when nothing may sign such tokens now. */
  tokenSigner(kind: "jwt" | "wit"): JwsSigner {
    return this.#signers.token(kind, this.#options.nowMs());
  }

  /** Called after bundle, signers or taints have changed. Returns how to end it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Does what is due by the clock; the moment at which to come again. Rejects when a step fails; those before are done then. */
  async advance(): Promise<number> {
    return this.#serially(async () => {
      for (const kind of AUTHORITY_KINDS)
        for (let steps = 0; steps < MAX_STEPS; steps++) {
          const step = dueStep(this.#of(kind), { nowMs: this.#options.nowMs(), refreshHintSeconds: this.refreshHintSeconds });
          if (step === undefined) break;
          await this.#take(kind, step);
        }
      const nowMs = this.#options.nowMs();
      await this.#dropKeys(({ expiresAtMs }) => expiresAtMs > nowMs);
      const dueMs = AUTHORITY_KINDS.map((kind) => nextDueMs(this.#of(kind), this.refreshHintSeconds));
      const expiriesMs = this.#options.journal.state.downstreamKeys.map(({ expiresAtMs }) => expiresAtMs);
      return Math.min(nowMs + LONGEST_WAIT_MS, ...dueMs, ...expiriesMs);
    });
  }

  /** Publishes the next authority of a kind, or answers the one that is published already. */
  prepare(kind: AuthorityKind): Promise<AuthorityRecord> {
    return this.#serially(() => this.#prepare(kind));
  }

  /**
   * Lets the prepared authority (of this ID, when one is given) sign from now on. Rejects with `AUTHORITY_PHASE` when there is none, and
   * unless `force` with `AUTHORITY_NOT_PUBLISHED` when others may not know it yet.
   */
  activate(kind: AuthorityKind, id: string | undefined, force: boolean): Promise<AuthorityRecord> {
    return this.#serially(async () => {
      const prepared = this.#of(kind).find(({ phase }) => phase === "prepared");
      if (prepared === undefined || (id !== undefined && id !== prepared.id))
        throw authorityError(
          "AUTHORITY_PHASE",
          id === undefined ? `no authority of kind ${kind} is prepared` : `the authority \`${id}\` is not prepared`,
          {
            hint: `\`vigil trust prepare ${kind}\` makes one`,
          },
        );
      const waitMs = publishedMs(prepared, this.refreshHintSeconds) - this.#options.nowMs();
      if (waitMs > 0 && !force)
        throw authorityError(
          "AUTHORITY_NOT_PUBLISHED",
          `others may not know the authority \`${prepared.id}\` for another ${Math.ceil(waitMs / 1000)} s`,
          {
            hint: "wait, or use `--force` when no other trust domain federates with this one",
          },
        );
      return this.#activate(prepared);
    });
  }

  /** Has everything that an old authority signed renewed at once. Rejects with `AUTHORITY_UNKNOWN` or `AUTHORITY_PHASE`. */
  taint(id: string): Promise<AuthorityRecord> {
    return this.#serially(async () => {
      const record = this.#inPhase(id, ["old"], "tainted");
      await this.#change((state) => replaced(state, { ...record, isTainted: true }));
      return this.#tell("taint", id, "what it signed is renewed at once");
    });
  }

  /** Takes an authority that does not sign out of the bundle at once, and denies it. Rejects with `AUTHORITY_UNKNOWN` or `AUTHORITY_PHASE`. */
  revoke(id: string): Promise<AuthorityRecord> {
    return this.#serially(async () => {
      const record = this.#inPhase(id, ["old", "prepared"], "revoked");
      const nowMs = this.#options.nowMs();
      await this.#change((state) => {
        const denial = { value: id, reason: "revoked", sinceMs: nowMs, untilMs: record.notAfterMs };
        const without = replaced(state, { ...record, phase: "gone", sinceMs: nowMs });
        return { ...without, sequence: state.sequence + 1n, deniedAuthorities: [...state.deniedAuthorities, denial] };
      });
      await this.#destroyKey(record);
      return this.#tell("revoke", id, "it left the bundle; what it signed proves nothing any more");
    });
  }

  /**
   * Takes over what the authority above says is trusted. When it no longer stands behind the certificate with which we sign, another is made,
   * signs at once, and what was signed before is renewed. Rejects when that fails; what is trusted is in force then all the same.
   */
  followUpstream(trust: UpstreamTrust): Promise<void> {
    return this.#serially(async () => {
      if (!isSameTrust(this.#options.journal.state.upstream, trust))
        await this.#change((state) => ({ ...state, sequence: state.sequence + 1n, upstream: trust }));
      const undermined = this.#of("x509").filter((record) => record.phase !== "gone" && isUndermined(record, trust));
      // The prepared one first, so that it is not what takes over.
      for (const { id } of undermined.toSorted((one, other) => Number(other.phase === "prepared") - Number(one.phase === "prepared")))
        await this.#replace(id, trust);
    });
  }

  /** Has a key of an authority below trusted. Rejects with `AUTHORITY_KEY_CONFLICT` or `AUTHORITY_LIMIT`. */
  publish(key: DownstreamKey): Promise<void> {
    return this.#serially(() => this.#change((state) => withDownstreamKey(state, key, this.#options.nowMs())));
  }

  /** Of the keys of authorities below, those that are not kept leave the bundle. */
  keepKeys(isKept: (key: DownstreamKey) => boolean): Promise<void> {
    return this.#serially(() => this.#dropKeys(isKept));
  }

  async #dropKeys(isKept: (key: DownstreamKey) => boolean): Promise<void> {
    if (!this.#options.journal.state.downstreamKeys.every(isKept)) await this.#change((state) => withKeys(state, isKept));
  }

  /** What is above an authority fails: it signs no more, and what it signed is renewed. */
  async #replace(id: string, trust: UpstreamTrust): Promise<void> {
    const record = this.#inPhase(id, ["prepared", "active", "old"], "replaced");
    if (record.phase === "prepared") {
      await this.#change((state) => replaced(state, { ...record, phase: "gone", sinceMs: this.#options.nowMs() }));
      await this.#destroyKey(record);
      this.#tell("retire", id, "what is above it is no longer trusted");
      return;
    }
    if (record.phase === "active") {
      const next = await this.#prepare("x509");
      if (isUndermined(next, trust))
        throw authorityError("AUTHORITY_UPSTREAM", "the authority above issues below what it no longer trusts", {
          hint: "rotate the upstream authority; it is tried again",
        });
      await this.#activate(next);
    }
    const old = this.#inPhase(id, ["old"], "tainted");
    if (old.isTainted) return;
    await this.#change((state) => replaced(state, { ...old, isTainted: true }));
    this.#tell("taint", id, "what is above it is no longer trusted: what it signed is renewed at once");
  }

  #serially<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }

  #of(kind: AuthorityKind): readonly AuthorityRecord[] {
    return this.records.filter((record) => record.kind === kind);
  }

  #inPhase(id: string, phases: readonly AuthorityRecord["phase"][], what: string): AuthorityRecord {
    const record = this.records.find((known) => known.id === id);
    if (record === undefined)
      throw authorityError("AUTHORITY_UNKNOWN", `no authority \`${id}\` is known`, { hint: "`vigil trust show` lists them" });
    if (phases.includes(record.phase)) return record;
    throw authorityError("AUTHORITY_PHASE", `the authority \`${id}\` is ${record.phase}: it cannot be ${what}`, {
      hint:
        record.phase === "active"
          ? `first \`vigil trust prepare ${record.kind}\`, then \`vigil trust activate ${record.kind} --force\``
          : "`vigil trust show` lists their phases",
    });
  }

  async #take(kind: AuthorityKind, step: RotationStep): Promise<void> {
    switch (step.kind) {
      case "prepare": {
        const prepared = await this.#prepare(kind);
        if (step.thenActivate) await this.#activate(prepared);
        return;
      }
      case "activate":
        await this.#activate(this.#inPhase(step.id, ["prepared"], "activated"));
        return;
      case "retire": {
        const record = this.#inPhase(step.id, ["prepared", "active", "old"], "retired");
        await this.#change((state) => ({
          ...replaced(state, { ...record, phase: "gone", sinceMs: this.#options.nowMs() }),
          sequence: state.sequence + 1n,
        }));
        await this.#destroyKey(record);
        this.#tell("retire", step.id, "it expired and left the bundle");
        return;
      }
      default:
        step satisfies never;
    }
  }

  async #prepare(kind: AuthorityKind): Promise<AuthorityRecord> {
    const known = this.#of(kind).find(({ phase }) => phase === "prepared");
    if (known !== undefined) return known;
    const { trustDomain, keyStore, upstream, lifetimeOf, nowMs, random } = this.#options;
    const keyName = `${kind}-${Buffer.from(random(16)).toString("hex")}`;
    // Durable first: what is published must be able to sign after a crash.
    const key = await keyStore.create(keyName, lifetimeOf(kind).keyType);
    try {
      const made = await makeAuthority(kind, key, { trustDomain, upstream, ttlMs: lifetimeOf(kind).ttlMs, nowMs: nowMs(), random });
      // Others of the trust domain learn of it from above.
      if (kind === "jwt")
        await upstream?.publishJwtKey?.({ keyId: made.id, publicKeyInfo: made.publicKeyInfo, expiresAtMs: made.notAfterMs });
      await this.#change((state) => withPrepared(state, made));
      return this.#tell("prepare", made.id, "it is published and will sign later");
    } catch (thrown) {
      // No record names the key: it would be removed at the next start too.
      await keyStore.delete(keyName).catch(() => undefined);
      throw thrown;
    }
  }

  async #activate(prepared: AuthorityRecord): Promise<AuthorityRecord> {
    const loaded = await this.#options.keyStore.load(prepared.keyName);
    if (loaded.kind !== "key" || !isKeyOf(loaded.key, prepared)) {
      await this.#lose(prepared, loaded.kind === "damaged" ? loaded.reason : "it is not there");
      throw authorityError("AUTHORITY_KEY_UNREADABLE", `the key of the authority \`${prepared.id}\` is lost`, {
        hint: "another is made by itself",
      });
    }
    const nowMs = this.#options.nowMs();
    const before = this.#of(prepared.kind).find(({ phase }) => phase === "active");
    await this.#change((state) => {
      const activated = replaced(state, { ...prepared, phase: "active", sinceMs: nowMs });
      return before === undefined ? activated : replaced(activated, { ...before, phase: "old", sinceMs: nowMs });
    }, loaded.key);
    if (before !== undefined) await this.#destroyKey(before);
    return this.#tell("activate", prepared.id, before === undefined ? "it signs" : `it signs instead of ${before.id}`);
  }

  /** Saves the change, then puts it into force: signers, bundle, listeners. `newKey` is the key of what it activates. */
  async #change(change: (state: JournalState) => JournalState, newKey?: SigningKey): Promise<void> {
    await this.#options.journal.update((state) => prune(change(state)));
    this.#apply(newKey);
  }

  #apply(newKey?: SigningKey): void {
    this.#use((record) => (newKey?.name === record.keyName ? newKey : this.#signers.keyOf(record)));
  }

  #use(keyOf: (record: AuthorityRecord) => SigningKey | undefined): void {
    this.#signers.use(this.records, keyOf);
    this.#bundle = authorityBundle(this.#options.journal.state, this.refreshHintSeconds);
    for (const listener of this.#listeners) listener();
  }

  async #loadKeys(): Promise<void> {
    const keys = new Map<string, SigningKey>();
    for (const record of this.records.filter(({ phase }) => phase === "active" || phase === "prepared")) {
      const loaded = await this.#options.keyStore.load(record.keyName);
      if (loaded.kind === "key" && isKeyOf(loaded.key, record)) keys.set(record.keyName, loaded.key);
      else
        await this.#lose(
          record,
          loaded.kind === "damaged" ? loaded.reason : loaded.kind === "key" ? "it is another key" : "it is not there",
        );
    }
    this.#use((record) => keys.get(record.keyName));
  }

  /** The key of a record is lost: nothing more is signed with it, and what it signed stays valid. */
  async #lose(record: AuthorityRecord, reason: string): Promise<void> {
    const phase = record.phase === "active" ? "old" : "gone";
    await this.#change((state) => ({
      ...replaced(state, { ...record, phase, sinceMs: this.#options.nowMs() }),
      sequence: phase === "gone" ? state.sequence + 1n : state.sequence,
    }));
    await this.#destroyKey(record);
    this.#tell("lose key", record.id, `its key cannot be used: ${reason}; another authority takes its place`);
  }

  /** Keys that no record names: a crash came between the key and its record, or between the end of a record and that of its key. */
  async #removeOrphans(): Promise<void> {
    const { keyStore } = this.#options;
    const named = new Set(this.records.filter(({ phase }) => phase === "active" || phase === "prepared").map(({ keyName }) => keyName));
    for (const name of await keyStore.list()) if (!named.has(name)) await keyStore.delete(name);
  }

  /** A key that cannot be removed now is removed at the next start. */
  async #destroyKey({ keyName, id }: AuthorityRecord): Promise<void> {
    try {
      await this.#options.keyStore.delete(keyName);
    } catch (thrown) {
      this.#tell("lose key", id, `its key could not be removed yet: ${messageOf(thrown)}`);
    }
  }

  #tell(action: AuthorityNews["action"], id: string, message: string): AuthorityRecord {
    const record = this.records.find((known) => known.id === id);
    if (record === undefined) throw authorityError("AUTHORITY_UNKNOWN", `no authority \`${id}\` is known`);
    this.#options.onNews({ action, record, message, isOnly: this.#of(record.kind).length === 1 });
    return record;
  }
}

/** What `advance` and the commands reject with. */
export type AuthoritySetError = VigilError<AuthorityErrorCode>;
