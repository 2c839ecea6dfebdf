/** JWT-SVIDs: bearer tokens for one audience, verified with the keys of the trust domain of their subject. */
import { isJsonArray, type JsonObject, type JsonValue } from "../lib/json.ts";
import { ok, type Result } from "../lib/result.ts";
import type { BundleSource } from "./bundle-source.ts";
import {
  type CompactJws,
  checkTimes,
  parseCompactJws,
  type RemoteTokenSigner,
  signatureProblem,
  signCompactJws,
  signCompactJwsRemotely,
  subjectOf,
  type TokenClock,
  type TokenSigner,
} from "./compact-jws.ts";
import { refuse, type SpiffeError, shown, shownValue } from "./spiffe-error.ts";
import { type SpiffeId, trustDomainOf } from "./spiffe-id.ts";

export interface JwtSvid {
  readonly id: SpiffeId;
  readonly audience: readonly string[];
  readonly expiresAtMs: number;
  readonly claims: JsonObject;
  /** The bearer token: a secret. */
  readonly token: string;
}

const HEADER_MEMBERS: ReadonlySet<string> = new Set(["alg", "kid", "typ"]);
const TYPES: ReadonlySet<JsonValue | undefined> = new Set([undefined, "JWT", "JOSE"]);

export interface JwtExpectation extends TokenClock {
  /** Names that the validator goes by; the token must be for one of them. */
  readonly audiences: readonly string[];
}

/** The identity that a token proves to one of `audiences` at `nowMs`. UNTRUSTED. It may be replayed until it expires (JWT-SVID §7.1). */
export function verifyJwtSvid(token: string, bundles: BundleSource, expected: JwtExpectation): Result<JwtSvid, SpiffeError> {
  const parsed = parseTokenOf(token, expected);
  if (!parsed.ok) return parsed;
  const { jws, svid } = parsed.value;
  if (!svid.audience.some((name) => expected.audiences.includes(name)))
    return refuse("jwt-audience", `the token is for ${shown(svid.audience.join(", "))}, not for this validator`);
  const domain = trustDomainOf(svid.id);
  const keys = bundles.bundleOf(domain)?.jwtKeys;
  if (keys === undefined || keys.size === 0)
    return refuse("jwt-trust-domain", `no key for JWTs is known in the trust domain ${shown(domain)}`, {
      hint: "federate with the trust domain, or check that its bundle is up to date",
    });
  const problem = signatureProblem(jws, "jwt", keys);
  return problem === undefined ? ok(svid) : { ok: false, error: problem };
}

/**
 * What a token says of itself, for those who fetched it from their own agent and will present it: its form and times are checked, its
 * signature and audience are not. Never a proof of identity.
 */
export function parseUnverifiedJwtSvid(token: string, clock: TokenClock): Result<JwtSvid, SpiffeError> {
  const parsed = parseTokenOf(token, clock);
  return parsed.ok ? ok(parsed.value.svid) : parsed;
}

function parseTokenOf(token: string, clock: TokenClock): Result<{ readonly jws: CompactJws; readonly svid: JwtSvid }, SpiffeError> {
  const parsed = parseCompactJws(token, "jwt");
  if (!parsed.ok) return parsed;
  const jws = parsed.value;
  const extra = Object.keys(jws.header).find((name) => !HEADER_MEMBERS.has(name));
  if (extra !== undefined) return refuse("jwt-header", `the header has ${shown(extra)}; allowed are alg, kid and typ`);
  if (!TYPES.has(jws.header["typ"])) return refuse("jwt-type", `expected \`JWT\` or \`JOSE\` in typ, got ${shownValue(jws.header["typ"])}`);
  const id = subjectOf(jws, "jwt");
  if (!id.ok) return id;
  const audience = audienceOf(jws.claims["aud"]);
  if (audience === undefined) return refuse("jwt-audience", "expected one audience or more in aud");
  const times = checkTimes(jws, "jwt", clock);
  if (!times.ok) return times;
  return ok({ jws, svid: { id: id.value, audience, expiresAtMs: times.value.expiresAtMs, claims: jws.claims, token } });
}

/** Text or a list of texts, none of them empty. */
function audienceOf(aud: JsonValue | undefined): readonly string[] | undefined {
  const names = typeof aud === "string" ? [aud] : isJsonArray(aud) ? aud : [];
  const audience = names.filter((name) => typeof name === "string" && name !== "");
  return audience.length === 0 || audience.length !== names.length ? undefined : (audience as readonly string[]);
}

export interface JwtSvidContent {
  readonly id: SpiffeId;
  /** At least one; one is best (JWT-SVID §3.2). */
  readonly audience: readonly string[];
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  /** Further claims; those that the fields above stand for cannot be overridden. */
  readonly claims?: JsonObject;
}

/** A JWT-SVID. Throws a RangeError on a content that no validator would accept: it comes from Vigil, not from strangers. */
export const signJwtSvid = (content: JwtSvidContent, signer: TokenSigner): string => signCompactJws("JWT", jwtClaims(content), signer);

/** As `signJwtSvid`, by a key that is elsewhere. */
export const signJwtSvidRemotely = async (content: JwtSvidContent, signer: RemoteTokenSigner): Promise<string> =>
  signCompactJwsRemotely("JWT", jwtClaims(content), signer);

function jwtClaims({ id, audience, issuedAtMs, expiresAtMs, claims }: JwtSvidContent): JsonObject {
  if (audience.length === 0 || audience.includes("")) throw new RangeError("expected one audience or more");
  if (!(expiresAtMs > issuedAtMs)) throw new RangeError("expected `expiresAtMs` after `issuedAtMs`");
  const [first = ""] = audience;
  const aud = audience.length === 1 ? first : audience;
  const times = { iat: Math.floor(issuedAtMs / 1000), exp: Math.floor(expiresAtMs / 1000) };
  return { ...claims, sub: id, aud, ...times };
}
