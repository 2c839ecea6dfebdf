/**
 * An authorization context on its way to the next service: a JWT (RFC 7519) which the service that knows it signs with the key of its
 * X.509-SVID, for the one that it calls, for moments. Its chain comes along (`x5c`, RFC 7515 §4.1.6), since an SVID may be renewed while
 * a connection lives that was made with the one before.
 */
import { createHash } from "node:crypto";
import { isJsonArray, type JsonObject, type JsonValue } from "../../lib/json.ts";
import { ok, type Result } from "../../lib/result.ts";
import { type CompactJws, checkTimes, parseCompactJws, signatureProblem, signCompactJws } from "../../spiffe/compact-jws.ts";
import { parseSpiffeId, pathOf } from "../../spiffe/spiffe-id.ts";
import { isFitting, type TokenAlgorithm } from "../../spiffe/token-key.ts";
import { publicKeyOfCertificate } from "../../spiffe/x509-certificate.ts";
import type { X509Svid } from "../../spiffe/x509-svid.ts";
import { peerOfSvid } from "../peer.ts";
import { compilePeerRule, type PeerRule } from "../peer-rule.ts";
import { ServiceError } from "../service-error.ts";
import type { ServiceIdentity } from "../service-identity.ts";
import { type AuthorizationContext, currentAuthorization, runAuthorized } from "./authorization-context.ts";
import { type Refusal, refuseCall } from "./refusal.ts";

/** Name of the header, and of gRPC metadata. */
export const CONTEXT_HEADER = "vigil-context";
const TYPE = "vigil-context+jwt";

const DEFAULT_LIFETIME_MS = 60_000;
const MIN_LIFETIME_MS = 1_000;
const MAX_LIFETIME_MS = 3_600_000;
/** Clocks of two services may differ by as much. */
const CLOCK_SKEW_SECONDS = 10;
const MAX_TOKEN_CHARACTERS = 8_192;
const MAX_CERTIFICATES = 4;
const MAX_HOPS = 16;
const MAX_PERMISSIONS = 256;
const MAX_NAME_CHARACTERS = 256;
const MAX_SUBJECT_CHARACTERS = 2_048;
const MAX_REMEMBERED = 4_096;

const TOKEN_ALGORITHMS: readonly TokenAlgorithm[] = ["ES256", "ES384", "RS256"];
const HEADER_MEMBERS: ReadonlySet<string> = new Set(["alg", "kid", "typ", "x5c"]);
const CLAIMS: ReadonlySet<string> = new Set(["iss", "aud", "sub", "iat", "exp", "tenant", "permissions", "hops"]);

/** Headers that each request to one service gets. */
export type ContextHeaders = () => { readonly [CONTEXT_HEADER]: string };

export interface ContextSignerOptions {
  /** From 1 s to 1 h; more than a minute only for messages that wait. Default 60,000. */
  readonly lifetimeMs?: number;
}

interface Signed {
  readonly token: string;
  readonly svid: X509Svid;
  readonly untilMs: number;
}

/** Signs contexts with the SVID of the moment. */
export class ContextSigner {
  readonly #identity: ServiceIdentity;
  readonly #lifetimeMs: number;
  /** By audience. */
  readonly #signed = new WeakMap<AuthorizationContext, Map<string, Signed>>();

  /** Throws a RangeError for a lifetime out of bounds. */
  constructor(identity: ServiceIdentity, { lifetimeMs = DEFAULT_LIFETIME_MS }: ContextSignerOptions = {}) {
    if (!(lifetimeMs >= MIN_LIFETIME_MS && lifetimeMs <= MAX_LIFETIME_MS))
      throw new RangeError(`expected \`lifetimeMs\` from ${MIN_LIFETIME_MS} to ${MAX_LIFETIME_MS}, got ${lifetimeMs}`);
    this.#identity = identity;
    this.#lifetimeMs = lifetimeMs;
  }

  /**
   * For the option `headers` of clients: each request carries the context of the work that makes it to the service with this SPIFFE ID.
   * The function throws as `sign`. Throws a TypeError when `audience` is not the SPIFFE ID of a workload.
   */
  to(audience: string): ContextHeaders {
    const id = parseSpiffeId(audience);
    if (!id.ok || pathOf(id.value) === "") throw new TypeError("expected the SPIFFE ID of the service that is called");
    return () => ({ [CONTEXT_HEADER]: this.sign(audience) });
  }

  /**
   * The context, that of this work unless given, for the service with the SPIFFE ID `audience`. Throws a ServiceError: `SERVICE_NO_CONTEXT`
   * outside of any work, `SERVICE_NO_TENANT` for work without a tenant, `SERVICE_NO_IDENTITY` without a valid SVID. The token is a secret
   * of the two services.
   */
  sign(audience: string, context: AuthorizationContext = currentAuthorization()): string {
    if (context.tenant === "")
      throw new ServiceError("SERVICE_NO_TENANT", "work that belongs to no tenant is not passed on", {
        hint: "give it a tenant where it enters, or refuse it there with `isTenantRequired`",
      });
    const held = this.#identity.svid();
    if (!held.ok) throw held.error;
    const nowMs = this.#identity.nowMs;
    const known = this.#signed.get(context);
    const before = known?.get(audience);
    if (before !== undefined && before.svid === held.value && nowMs < before.untilMs) return before.token;
    const token = signContext(context, { audience, svid: held.value, nowMs, lifetimeMs: this.#lifetimeMs });
    const kept = known ?? new Map<string, Signed>();
    if (known === undefined) this.#signed.set(context, kept);
    // Renewed at half of its life, so that whoever gets it has time.
    kept.set(audience, { token, svid: held.value, untilMs: nowMs + this.#lifetimeMs / 2 });
    return token;
  }
}

interface Signing {
  readonly audience: string;
  readonly svid: X509Svid;
  readonly nowMs: number;
  readonly lifetimeMs: number;
}

function signContext(context: AuthorizationContext, { audience, svid, nowMs, lifetimeMs }: Signing): string {
  const { tenant, subject, permissions, caller, hops = [] } = context;
  const algorithm = TOKEN_ALGORITHMS.find((each) => isFitting(svid.privateKey, each));
  if (algorithm === undefined) throw new TypeError("expected an SVID with a key for ES256, ES384 or RS256");
  const [leaf] = svid.certificates;
  const claims: JsonObject = {
    iss: svid.id,
    aud: audience,
    sub: subject,
    tenant,
    permissions: [...permissions],
    hops: caller === "" ? [...hops] : [...hops, caller],
    iat: Math.floor(nowMs / 1000),
    exp: Math.ceil((nowMs + lifetimeMs) / 1000),
  };
  const keyId = createHash("sha256").update(leaf.der).digest("base64url");
  const x5c = svid.certificates.map(({ der }) => Buffer.from(der).toString("base64"));
  return signCompactJws(TYPE, claims, { keyId, algorithm, privateKey: svid.privateKey }, { x5c });
}

export interface ContextVerifierOptions {
  /** SPIFFE ID of this service: contexts for others are refused. */
  readonly self: string;
  /** Which services are believed when they say on whose behalf they call. Others that say it are refused. */
  readonly from: PeerRule;
  /** From 1 s to 1 h: contexts that live longer are refused. Default 60,000. */
  readonly maxLifetimeMs?: number;
}

/** Believes contexts that were signed for this service, by services that may say them. */
export class ContextVerifier {
  readonly #identity: ServiceIdentity;
  readonly #self: string;
  readonly #isBelieved: ReturnType<typeof compilePeerRule>;
  readonly #maxLifetimeMs: number;
  /** Of connections, by token, the oldest first. */
  readonly #known = new Map<string, { readonly context: AuthorizationContext; readonly untilMs: number }>();

  constructor(identity: ServiceIdentity, { self, from, maxLifetimeMs = DEFAULT_LIFETIME_MS }: ContextVerifierOptions) {
    const id = parseSpiffeId(self);
    if (!id.ok || pathOf(id.value) === "") throw new TypeError("expected the SPIFFE ID of this workload in `self`");
    if (!(maxLifetimeMs >= MIN_LIFETIME_MS && maxLifetimeMs <= MAX_LIFETIME_MS))
      throw new RangeError(`expected \`maxLifetimeMs\` from ${MIN_LIFETIME_MS} to ${MAX_LIFETIME_MS}, got ${maxLifetimeMs}`);
    this.#identity = identity;
    this.#self = self;
    this.#isBelieved = compilePeerRule(from);
    this.#maxLifetimeMs = maxLifetimeMs;
  }

  /**
   * The context that came over a connection whose verified peer is `caller`: it counts from nobody else, so who overhears it cannot use it.
   * The same peer may repeat it until it expires. UNTRUSTED: the token.
   */
  verifyFrom(caller: string, token: string): Result<AuthorizationContext, Refusal> {
    const nowMs = this.#identity.nowMs;
    const known = this.#known.get(token);
    if (known !== undefined && known.context.caller === caller && nowMs < known.untilMs) return ok(known.context);
    this.#known.delete(token);
    const verified = this.#verify(token, nowMs);
    if (!verified.ok) return verified;
    const { context } = verified.value;
    if (context.caller !== caller) return refuseCall("context", "the context was signed by another service than the one that calls");
    this.#known.set(token, verified.value);
    const [oldest] = this.#known.size > MAX_REMEMBERED ? this.#known.keys() : [];
    if (oldest !== undefined) this.#known.delete(oldest);
    return ok(context);
  }

  /** The context that came with a message. It counts from whoever brings it, until it or the SVID of its signer expires. UNTRUSTED. */
  verifyMessage(token: string): Result<AuthorizationContext, Refusal> {
    const verified = this.#verify(token, this.#identity.nowMs);
    return verified.ok ? ok(verified.value.context) : verified;
  }

  #verify(token: string, nowMs: number): Result<{ readonly context: AuthorizationContext; readonly untilMs: number }, Refusal> {
    if (token.length > MAX_TOKEN_CHARACTERS) return refuseCall("context", `a context of more than ${MAX_TOKEN_CHARACTERS} characters`);
    const parsed = parseCompactJws(token, "jwt");
    if (!parsed.ok) return refuseCall("context", parsed.error.message);
    const jws = parsed.value;
    if (jws.header["typ"] !== TYPE || Object.keys(jws.header).some((name) => !HEADER_MEMBERS.has(name)))
      return refuseCall("context", `expected a token of the type \`${TYPE}\` without further header members`);
    const times = this.#times(jws, nowMs);
    if (!times.ok) return times;
    if (jws.claims["aud"] !== this.#self) return refuseCall("context", "the context is for another service");
    const context = readContext(jws.claims);
    if (context === undefined) return refuseCall("context", "the context lacks a tenant, or a claim has not its form");
    // What costs most, last.
    const problem = this.#signerProblem(jws, context.caller);
    return problem === undefined ? ok({ context, untilMs: times.value }) : refuseCall("context", problem);
  }

  #times(jws: CompactJws, nowMs: number): Result<number, Refusal> {
    const times = checkTimes(jws, "jwt", { nowMs, leewaySeconds: 0 });
    if (!times.ok) return refuseCall("context", times.error.message);
    const { exp, iat } = jws.claims;
    if (typeof iat !== "number" || typeof exp !== "number" || iat > nowMs / 1000 + CLOCK_SKEW_SECONDS)
      return refuseCall("context", "the context is of the future, or does not say when it was signed");
    // Both ends were rounded outwards.
    if (exp - iat > this.#maxLifetimeMs / 1000 + 2) return refuseCall("context", "the context lives longer than this service allows");
    return ok(times.value.expiresAtMs);
  }

  #signerProblem(jws: CompactJws, issuer: string): string | undefined {
    const chain = chainOf(jws.header["x5c"]);
    if (chain === undefined) return `expected 1 to ${MAX_CERTIFICATES} certificates in \`x5c\``;
    const proof = this.#identity.verifyChain(chain);
    if (!proof.ok) return proof.error.message;
    if (proof.value.id !== issuer) return "the context was signed by another workload than it says";
    const [leaf] = proof.value.path;
    const publicKey = leaf && publicKeyOfCertificate(leaf);
    const { keyId = "" } = jws;
    const keys = publicKey === undefined ? [] : [[keyId, { keyId, publicKey, algorithm: undefined }] as const];
    const wrong = signatureProblem(jws, "jwt", new Map(keys));
    if (wrong !== undefined) return wrong.message;
    try {
      return this.#isBelieved(peerOfSvid(proof.value)) === true ? undefined : `\`${issuer}\` may not say on whose behalf it calls`;
    } catch {
      // A rule that fails believes nobody.
      return "whether the caller is to be believed could not be found out";
    }
  }
}

function chainOf(x5c: JsonValue | undefined): readonly Uint8Array[] | undefined {
  if (!isJsonArray(x5c) || x5c.length === 0 || x5c.length > MAX_CERTIFICATES) return undefined;
  const chain: Uint8Array[] = [];
  for (const text of x5c) {
    if (typeof text !== "string") return undefined;
    const der = Buffer.from(text, "base64");
    if (der.toString("base64") !== text) return undefined;
    chain.push(der);
  }
  return chain;
}

function readContext(claims: JsonObject): AuthorizationContext | undefined {
  const { iss, sub, tenant, permissions, hops } = claims;
  if (Object.keys(claims).some((name) => !CLAIMS.has(name))) return undefined;
  if (!isName(tenant, MAX_NAME_CHARACTERS) || tenant === "" || !isName(sub, MAX_SUBJECT_CHARACTERS)) return undefined;
  if (!isWorkload(iss) || !isListOf(permissions, MAX_PERMISSIONS, (item) => isName(item, MAX_NAME_CHARACTERS))) return undefined;
  if (!isListOf(hops, MAX_HOPS, isWorkload)) return undefined;
  return { tenant, subject: sub, permissions, caller: iss, hops };
}

const isName = (value: JsonValue | undefined, maxCharacters: number): value is string =>
  typeof value === "string" && value.length <= maxCharacters && !/\p{Cc}/u.test(value);

function isWorkload(value: JsonValue | undefined): value is string {
  const id = typeof value === "string" ? parseSpiffeId(value) : undefined;
  return id?.ok === true && pathOf(id.value) !== "";
}

const isListOf = (
  value: JsonValue | undefined,
  maxItems: number,
  isItem: (item: JsonValue) => item is string,
): value is readonly string[] => isJsonArray(value) && value.length <= maxItems && value.every(isItem);

/**
 * Does the work for a message of a queue, and all that it starts, under the context that came with it. Throws a ServiceError with
 * `SERVICE_CONTEXT_REFUSED` when it is not to be believed, and nothing was done. UNTRUSTED: the token.
 */
export function runCarried<T>(verifier: ContextVerifier, token: string, work: () => T): T {
  const context = verifier.verifyMessage(token);
  if (context.ok) return runAuthorized(context.value, work);
  throw new ServiceError("SERVICE_CONTEXT_REFUSED", context.error.detail, {
    hint: "the sender signs with `ContextSigner` for the SPIFFE ID of this service, and is named in `from`",
  });
}
