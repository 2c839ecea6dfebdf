/**
 * Tokens of an OpenID Connect issuer (OpenID Connect Discovery 1.0, RFC 7517, RFC 9068): its keys are found, kept, renewed by one fetch at
 * a time, and kept on through an outage of the issuer.
 */
import { createHash } from "node:crypto";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../../lib/json.ts";
import { ok, type Result } from "../../lib/result.ts";
import { type CompactJws, checkTimes, signatureProblem } from "../../spiffe/compact-jws.ts";
import { isKnownKeyType, isTokenAlgorithm, publicKeyOf, type TokenAlgorithm, type TokenKey } from "../../spiffe/token-key.ts";
import { ServiceError } from "../service-error.ts";
import { fetchDocument } from "./https-document.ts";
import { type Refusal, refuseCall } from "./refusal.ts";
import type { TokenVerifier, VerifiedToken } from "./token-verifier.ts";

export interface OidcIssuerOptions {
  /** Exactly as in `iss` and in the issuer's own discovery document: `https://login.shop.test`. */
  readonly issuer: string;
  /** Names that this service goes by; a token must be for one of them. */
  readonly audiences: readonly string[];
  /** What tokens may be signed with, such as `["RS256"]`; whatever a token says itself. */
  readonly algorithms: readonly TokenAlgorithm[];
  /** How long keys stay in use while the issuer cannot be reached; at most and by default 24 hours. 0: not at all. */
  readonly staleIfErrorMs?: number;
  /** PEM: instead of the public authorities. */
  readonly authorities?: string;
  /** Of one fetch. Default 5,000. */
  readonly timeoutMs?: number;
  /** A fetch failed: keys that are known stay in use. Must not throw. */
  readonly onProblem?: (error: ServiceError) => void;
}

interface IssuerKeys {
  readonly byId: ReadonlyMap<string, TokenKey>;
  readonly fetchedAtMs: number;
  readonly freshUntilMs: number;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const MAX_STALE_MS = 24 * HOUR_MS;
/** Between fetches that are not due: after a failure, and for keys that are not known. */
const COOLDOWN_MS = 30_000;
/** While there are no keys at all. */
const FIRST_COOLDOWN_MS = 1_000;
const DEFAULT_FRESH_MS = 10 * MINUTE_MS;
const MAX_DOCUMENT_BYTES = 512 * 1024;
const MAX_KEYS = 128;
const MAX_VERIFIED = 10_000;
const MAX_SUBJECT_CHARACTERS = 255;
const TYPES: ReadonlySet<JsonValue | undefined> = new Set([undefined, "JWT", "at+jwt", "application/at+jwt"]);

export class OidcIssuer implements TokenVerifier {
  readonly issuer: string;
  readonly #options: OidcIssuerOptions;
  readonly #staleMs: number;
  #keys: IssuerKeys | undefined;
  #fetching: Promise<void> | undefined;
  #attemptedAtMs = Number.NEGATIVE_INFINITY;
  /** Tokens whose signature was verified with the present keys, by SHA-256, the oldest first. */
  #verified = new Set<string>();

  /** Throws a TypeError on an issuer that is no plain URL of https, and without audiences or algorithms. */
  constructor(options: OidcIssuerOptions) {
    const { issuer, audiences, algorithms, staleIfErrorMs = MAX_STALE_MS } = options;
    const url = URL.parse(issuer);
    if (url?.protocol !== "https:" || url.search !== "" || url.hash !== "" || url.username !== "")
      throw new TypeError("expected an issuer as `https://login.shop.test`");
    if (audiences.length === 0 || audiences.includes("")) throw new TypeError("expected one audience or more");
    if (algorithms.length === 0 || !algorithms.every(isTokenAlgorithm)) throw new TypeError("expected algorithms such as `RS256`");
    if (!(staleIfErrorMs >= 0 && staleIfErrorMs <= MAX_STALE_MS)) throw new RangeError("expected `staleIfErrorMs` of at most 24 hours");
    this.issuer = issuer;
    this.#options = options;
    this.#staleMs = staleIfErrorMs;
  }

  /** When the keys were fetched, in milliseconds since the epoch; undefined before the first time. */
  get fetchedAtMs(): number | undefined {
    return this.#keys?.fetchedAtMs;
  }

  accepts({ claims }: CompactJws): boolean {
    return claims["iss"] === this.issuer;
  }

  async verify(jws: CompactJws, nowMs: number): Promise<Result<VerifiedToken, Refusal>> {
    const problem = this.#claimsProblem(jws);
    if (problem !== undefined) return refuseCall("token", problem);
    const times = checkTimes(jws, "jwt", { nowMs });
    if (!times.ok) return refuseCall("token", times.error.message);
    const keys = await this.#keysAt(nowMs, jws.keyId);
    if (keys === undefined) return refuseCall("token", "the keys of the issuer are not known");
    const digest = createHash("sha256").update(jws.token).digest("base64");
    if (!this.#verified.has(digest)) {
      const wrong = signatureProblem(jws, "jwt", keys.byId);
      if (wrong !== undefined) return refuseCall("token", wrong.message);
      // Keys that were replaced meanwhile vouch for nothing later.
      if (keys === this.#keys) this.#remember(digest);
    }
    return ok({ claims: jws.claims, expiresAtMs: times.value.expiresAtMs });
  }

  #claimsProblem({ header, algorithm, claims }: CompactJws): string | undefined {
    const { audiences, algorithms } = this.#options;
    if (!this.accepts({ claims } as CompactJws)) return "the issuer is another";
    if (!algorithms.includes(algorithm)) return `signed with ${algorithm}, which is not allowed`;
    if ("crit" in header) return "the header has `crit`, of which nothing is understood";
    if (!TYPES.has(header["typ"])) return "the type is not that of an access or ID token";
    const { sub, aud } = claims;
    if (typeof sub !== "string" || sub === "" || sub.length > MAX_SUBJECT_CHARACTERS) return "expected a subject in sub";
    const named: readonly JsonValue[] = isJsonArray(aud) ? aud : aud === undefined ? [] : [aud];
    return named.some((name) => typeof name === "string" && audiences.includes(name)) ? undefined : "the token is for another audience";
  }

  #remember(digest: string): void {
    this.#verified.add(digest);
    const [oldest] = this.#verified.size > MAX_VERIFIED ? this.#verified : [];
    if (oldest !== undefined) this.#verified.delete(oldest);
  }

  /** The keys to verify with at this moment; undefined when there are none that may be used. */
  async #keysAt(nowMs: number, keyId: string | undefined): Promise<IssuerKeys | undefined> {
    const known = this.#keys;
    const isFresh = known !== undefined && nowMs < known.freshUntilMs;
    const isMissing = known !== undefined && keyId !== undefined && !known.byId.has(keyId);
    if (!isFresh || isMissing) {
      // Others wait for a fetch under way only if they cannot do without it.
      const mayUseKnown = !isMissing && this.#isUsable(known, nowMs);
      if (this.#fetching === undefined && nowMs - this.#attemptedAtMs >= (known === undefined ? FIRST_COOLDOWN_MS : COOLDOWN_MS))
        await this.#fetchOnce(nowMs);
      else if (!mayUseKnown) await this.#fetching;
    }
    return this.#isUsable(this.#keys, nowMs) ? this.#keys : undefined;
  }

  #isUsable(keys: IssuerKeys | undefined, nowMs: number): boolean {
    return keys !== undefined && (nowMs < keys.freshUntilMs || nowMs <= keys.fetchedAtMs + this.#staleMs);
  }

  #fetchOnce(nowMs: number): Promise<void> {
    this.#attemptedAtMs = nowMs;
    this.#fetching = this.#fetch(nowMs)
      .then(
        (keys) => {
          this.#keys = keys;
          this.#verified = new Set();
        },
        (thrown: unknown) => {
          this.#options.onProblem?.(
            thrown instanceof ServiceError ? thrown : new ServiceError("SERVICE_ISSUER", "no keys", { cause: thrown }),
          );
        },
      )
      .finally(() => {
        this.#fetching = undefined;
      });
    return this.#fetching;
  }

  async #fetch(nowMs: number): Promise<IssuerKeys> {
    const { authorities, timeoutMs = 5_000 } = this.#options;
    const limits = { maxBytes: MAX_DOCUMENT_BYTES, timeoutMs, authorities };
    const discovery = await fetchDocument(new URL(`${this.issuer.replace(/\/$/, "")}/.well-known/openid-configuration`), limits);
    // OpenID Connect Discovery 1.0 §4.3: else one issuer could speak for another.
    if (discovery.value["issuer"] !== this.issuer)
      throw new ServiceError("SERVICE_ISSUER", `the discovery document of \`${this.issuer}\` is that of another issuer`);
    const { jwks_uri: address } = discovery.value;
    const url = typeof address === "string" ? URL.parse(address) : null;
    if (url === null) throw new ServiceError("SERVICE_ISSUER", `the discovery document of \`${this.issuer}\` has no \`jwks_uri\``);
    const { value, maxAgeSeconds } = await fetchDocument(url, limits);
    const byId = readKeys(value);
    // An empty set is more likely a fault than the wish that nobody be let in.
    if (byId.size === 0) throw new ServiceError("SERVICE_ISSUER", `there is no key that can be used at \`${url.origin}${url.pathname}\``);
    const freshMs = maxAgeSeconds === undefined ? DEFAULT_FRESH_MS : Math.min(Math.max(maxAgeSeconds * 1000, MINUTE_MS), HOUR_MS);
    return { byId, fetchedAtMs: nowMs, freshUntilMs: nowMs + freshMs };
  }
}

/** Public keys that sign; others, and what is malformed, are passed over. A `kid` that stands twice is none. */
function readKeys({ keys }: JsonObject): ReadonlyMap<string, TokenKey> {
  const found = new Map<string, TokenKey>();
  const twice = new Set<string>();
  for (const jwk of isJsonArray(keys) ? keys.slice(0, MAX_KEYS) : []) {
    if (!isJsonObject(jwk) || !isKnownKeyType(jwk) || (jwk["use"] ?? "sig") !== "sig") continue;
    const { kid = "", alg } = jwk;
    const publicKey = publicKeyOf(jwk);
    if (typeof kid !== "string" || publicKey === undefined || (alg !== undefined && !isTokenAlgorithm(alg))) continue;
    if (found.has(kid)) twice.add(kid);
    found.set(kid, { keyId: kid, publicKey, algorithm: alg });
  }
  for (const kid of twice) found.delete(kid);
  return found;
}
