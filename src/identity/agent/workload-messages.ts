/** What workloads are sent, made from what the agent holds; each message once for all callers with the same identities. */
import { type EncodedMessage, encodeMessage } from "../../grpc/encoded-message.ts";
import { GrpcError } from "../../grpc/grpc-error.ts";
import {
  JWTBundlesResponseSchema,
  JWTSVIDResponseSchema,
  WITBundlesResponseSchema,
  WITSVIDResponseSchema,
  X509BundlesResponseSchema,
  X509SVIDResponseSchema,
} from "../../spiffe/generated/spiffe/workload_pb.ts";
import { idOfTrustDomain, type TrustDomain } from "../../spiffe/spiffe-id.ts";
import type { Agent } from "./agent.ts";
import type { TrustedDomain } from "./agent-state.ts";
import type { CallerView } from "./caller.ts";
import type { WitCredential, X509Credential } from "./issuance.ts";
import type { JwtToken } from "./jwt-tokens.ts";
import type { Credential } from "./renewed-credentials.ts";
import type { ServedEntry } from "./served-entry.ts";

/** What a caller gets now: a value, or why it has to wait. */
export type Composed<T> =
  | { readonly kind: "ready"; readonly value: T; readonly goodUntilMs: number }
  /** What ends the call when the wait takes too long; at once when `isFinal`. */
  | { readonly kind: "wait"; readonly reason: GrpcError; readonly isFinal: boolean };

/** An X.509 identity that may be handed out now. */
export interface HeldIdentity {
  readonly entry: ServedEntry;
  readonly credential: X509Credential;
}

export interface JwtAnswer {
  readonly message: EncodedMessage;
  readonly tokens: readonly { readonly entry: ServedEntry; readonly token: JwtToken }[];
}

const ready = <T>(value: T, goodUntilMs: number = Number.POSITIVE_INFINITY): Composed<T> & { readonly kind: "ready" } => ({
  kind: "ready",
  value,
  goodUntilMs,
});

const firstExpiryMs = (credentials: readonly { readonly notAfterMs: number }[]): number =>
  Math.min(...credentials.map(({ notAfterMs }) => notAfterMs));
const wait = (reason: GrpcError, isFinal = false): { readonly kind: "wait"; readonly reason: GrpcError; readonly isFinal: boolean } => ({
  kind: "wait",
  reason,
  isFinal,
});

const MAX_CACHED = 4_096;

interface Cached {
  readonly message: Composed<EncodedMessage> & { readonly kind: "ready" };
  /** What it shows. */
  readonly credentials: readonly Credential[];
}

export class WorkloadMessages {
  readonly #agent: Agent;
  #version = -1;
  readonly #cache = new Map<string, Cached>();
  #generation = -1;
  readonly #tokens = new Map<string, { readonly message: EncodedMessage; readonly tokens: readonly JwtToken[] }>();

  constructor(agent: Agent) {
    this.#agent = agent;
  }

  /** The caller's own bundle, and those that its identities federate with. */
  domainsOf({ entries }: CallerView): ReadonlyMap<TrustDomain, TrustedDomain> {
    const { state } = this.#agent;
    const names = new Set([state.trustDomain, ...entries.flatMap(({ federatesWith }) => federatesWith)]);
    const domains = new Map<TrustDomain, TrustedDomain>();
    for (const name of names) {
      const domain = name === undefined ? undefined : state.domain(name);
      if (name !== undefined && domain !== undefined) domains.set(name, domain);
    }
    return domains;
  }

  /** The X.509 identities of a caller, the default one first. */
  identitiesOf(view: CallerView): Composed<readonly HeldIdentity[]> {
    const blocked = this.#blockedBy(view);
    if (blocked !== undefined) return blocked;
    const held: HeldIdentity[] = [];
    let problem: GrpcError | undefined;
    let isPending = false;
    for (const entry of view.entries) {
      const { credential, failure } = this.#agent.x509.of(entry);
      if (credential !== undefined && this.#agent.isPermitted(credential, credential.serial)) held.push({ entry, credential });
      else if (failure === undefined) isPending = true;
      else {
        const status = failure.code === "PERMISSION_DENIED" ? "PERMISSION_DENIED" : "UNAVAILABLE";
        problem ??= new GrpcError(status, `no X.509-SVID for \`${entry.spiffeId}\`: ${failure.message}`);
      }
    }
    // What is still being signed comes with the rest rather than after it.
    if (held.length > 0 && !isPending) return ready(held, firstExpiryMs(held.map(({ credential }) => credential)));
    return wait(problem ?? new GrpcError("UNAVAILABLE", "the authority has not signed the identity yet"));
  }

  x509(view: CallerView): Composed<EncodedMessage> {
    const identities = this.identitiesOf(view);
    if (identities.kind === "wait") return identities;
    const credentials = identities.value.map(({ credential }) => credential);
    return this.#cached("x509", view, credentials, () => {
      const own = this.#agent.state.trustDomain;
      const svids = identities.value.map(({ entry: { spiffeId, hint }, credential: { chainDer, keyDer } }) => ({
        spiffeId,
        x509Svid: chainDer,
        x509SvidKey: keyDer,
        bundle: (own === undefined ? undefined : this.#agent.state.domain(own)?.x509Der) ?? new Uint8Array(),
        hint,
      }));
      const foreign = [...this.domainsOf(view)].filter(([name]) => name !== own);
      const federatedBundles = Object.fromEntries(foreign.map(([name, { x509Der }]) => [idOfTrustDomain(name), x509Der]));
      return ready(encodeMessage(X509SVIDResponseSchema, { svids: uniqueHints(svids), federatedBundles }), identities.goodUntilMs);
    });
  }

  x509Bundles(view: CallerView): Composed<EncodedMessage> {
    return this.#bundles("x509-bundles", view, (domains) =>
      encodeMessage(X509BundlesResponseSchema, { bundles: byDomain(domains, ({ x509Der }) => x509Der) }),
    );
  }

  jwtBundles(view: CallerView): Composed<EncodedMessage> {
    return this.#bundles("jwt-bundles", view, (domains) =>
      encodeMessage(JWTBundlesResponseSchema, { bundles: byDomain(domains, ({ jwtJson }) => jwtJson) }),
    );
  }

  witBundles(view: CallerView): Composed<EncodedMessage> {
    return this.#bundles("wit-bundles", view, (domains) =>
      encodeMessage(WITBundlesResponseSchema, { bundles: byDomain(domains, ({ witJson }) => witJson) }),
    );
  }

  /** `spiffeId` is empty for all. */
  wit(view: CallerView, spiffeId: string): Composed<EncodedMessage> {
    const wanted = this.wanted(view, spiffeId);
    if (wanted.kind === "wait") return wanted;
    const credentials: WitCredential[] = [];
    for (const entry of wanted.value) {
      const { credential, failure } = this.#agent.wit.of(entry);
      if (credential === undefined || !this.#agent.isPermitted(credential)) {
        return wait(new GrpcError("UNAVAILABLE", `no WIT-SVID for \`${entry.spiffeId}\`: ${failure?.message ?? "it is not signed yet"}`));
      }
      credentials.push(credential);
    }
    return this.#cached(`wit ${spiffeId}`, view, credentials, () => {
      const svids = wanted.value.map(({ spiffeId: id, hint }, index) => {
        const { token = "", keyJwk = "" } = credentials[index] ?? {};
        return { spiffeId: id, witSvid: token, witSvidKey: keyJwk, hint };
      });
      return ready(encodeMessage(WITSVIDResponseSchema, { svids: uniqueHints(svids) }), firstExpiryMs(credentials));
    });
  }

  /** The answer that a call for the same tokens got, while it is fresh. */
  freshJwt(view: CallerView, spiffeId: string, audience: readonly string[]): EncodedMessage | undefined {
    this.#forgetTokensOfBefore();
    const found = this.#tokens.get(tokenKey(view, spiffeId, audience));
    const nowMs = this.#agent.clock();
    if (found === undefined || found.tokens.some(({ refreshAtMs, expiresAtMs }) => refreshAtMs <= nowMs || expiresAtMs <= nowMs))
      return undefined;
    for (const token of found.tokens) token.isWanted = true;
    return found.message;
  }

  /** JWT-SVIDs of `wanted` for these audiences. Rejects with a `GrpcError`. */
  async jwt(view: CallerView, wanted: readonly ServedEntry[], spiffeId: string, audience: readonly string[]): Promise<JwtAnswer> {
    const tokens = await Promise.all(wanted.map((entry) => this.#agent.jwt.of(entry, audience)));
    const svids = wanted.map(({ spiffeId: id, hint }, index) => ({ spiffeId: id, svid: tokens[index]?.token ?? "", hint }));
    const message = encodeMessage(JWTSVIDResponseSchema, { svids: uniqueHints(svids) });
    this.#forgetTokensOfBefore();
    const key = tokenKey(view, spiffeId, audience);
    this.#tokens.delete(key);
    this.#tokens.set(key, { message, tokens });
    for (const oldest of this.#tokens.keys()) {
      if (this.#tokens.size <= MAX_CACHED) break;
      this.#tokens.delete(oldest);
    }
    return {
      message,
      tokens: wanted.flatMap((entry, index) => {
        const token = tokens[index];
        return token === undefined ? [] : [{ entry, token }];
      }),
    };
  }

  #forgetTokensOfBefore(): void {
    const { generation } = this.#agent.state;
    if (this.#generation === generation) return;
    this.#generation = generation;
    this.#tokens.clear();
  }

  /** Why a caller gets nothing at all, if so. */
  #blockedBy({ entries, isDenied, attestation }: CallerView): (Composed<never> & { readonly kind: "wait" }) | undefined {
    const { state, link } = this.#agent;
    if (state.trustDomain === undefined) {
      const why = link.problem === undefined ? "" : `: ${link.problem.message}`;
      return wait(new GrpcError("UNAVAILABLE", `the agent has not heard from its authority yet${why}`));
    }
    if (isDenied) return wait(new GrpcError("PERMISSION_DENIED", "the identity of this workload is revoked"), true);
    if (entries.length > 0) return undefined;
    const { pid, uid, executablePath, remarks } = attestation;
    const told = remarks.length === 0 ? "" : `; not known: ${remarks.join("; ")}`;
    return wait(
      new GrpcError(
        "PERMISSION_DENIED",
        `no identity issued: no registered workload matches process ${pid} (user ${uid}, \`${executablePath.slice(0, 200)}\`)${told}`.slice(
          0,
          MAX_MESSAGE,
        ),
      ),
    );
  }

  /** The caller itself, once it has an identity: who has none is told nothing about others. */
  registered(view: CallerView): Composed<CallerView> {
    return this.#blockedBy(view) ?? ready(view);
  }

  /** The entries of a caller with this SPIFFE ID; all when it is empty. */
  wanted(view: CallerView, spiffeId: string): Composed<readonly ServedEntry[]> {
    const blocked = this.#blockedBy(view);
    if (blocked !== undefined) return blocked;
    const wanted = spiffeId === "" ? view.entries : view.entries.filter((entry) => entry.spiffeId === spiffeId);
    if (wanted.length > 0) return ready(wanted);
    return wait(new GrpcError("PERMISSION_DENIED", "no identity issued: the SPIFFE ID that is asked for is not this workload's"), true);
  }

  #bundles(
    kind: string,
    view: CallerView,
    encode: (domains: ReadonlyMap<TrustDomain, TrustedDomain>) => EncodedMessage,
  ): Composed<EncodedMessage> {
    const blocked = this.#blockedBy(view);
    return blocked ?? this.#cached(kind, view, [], () => ready(encode(this.domainsOf(view))));
  }

  /** The message that callers with the same entries got before, while it is made of the same credentials and everything else is the same. */
  #cached(
    kind: string,
    view: CallerView,
    credentials: readonly Credential[],
    compose: () => Composed<EncodedMessage> & { readonly kind: "ready" },
  ): Composed<EncodedMessage> {
    if (this.#version !== this.#agent.version) {
      this.#version = this.#agent.version;
      this.#cache.clear();
    }
    // A key has no line breaks, and stands last: no `kind` can make it another caller's.
    const key = `${kind}\n${view.key}`;
    const cached = this.#cache.get(key);
    const isSame =
      cached?.credentials.length === credentials.length &&
      credentials.every((credential, index) => credential === cached.credentials[index]);
    if (cached !== undefined && isSame && this.#agent.clock() < cached.message.goodUntilMs) return cached.message;
    const message = compose();
    if (this.#cache.size >= MAX_CACHED) this.#cache.clear();
    this.#cache.set(key, { message, credentials });
    return message;
  }
}

const MAX_MESSAGE = 1_000;

/** The usual question is asked thousands of times a second, and needs no encoder: JSON begins with a bracket. */
function tokenKey({ key }: CallerView, spiffeId: string, audience: readonly string[]): string {
  const question = spiffeId === "" && audience.length === 1 ? `:${audience[0]}` : JSON.stringify([spiffeId, audience]);
  return `${question}\n${key}`;
}

function byDomain<T>(domains: ReadonlyMap<TrustDomain, TrustedDomain>, value: (domain: TrustedDomain) => T): { [id: string]: T } {
  return Object.fromEntries([...domains].map(([name, domain]) => [idOfTrustDomain(name), value(domain)]));
}

/** Hints tell identities apart: of several with the same one, the first keeps it (SPIFFE_Workload_API §5.2.1). */
function uniqueHints<T extends { readonly hint: string }>(svids: readonly T[]): T[] {
  const seen = new Set<string>();
  return svids.map((svid) => {
    const isRepeated = svid.hint !== "" && seen.has(svid.hint);
    seen.add(svid.hint);
    return isRepeated ? { ...svid, hint: "" } : svid;
  });
}
