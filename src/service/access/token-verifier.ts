/** Bearer tokens: who proves what by them, each with the one verifier that its issuer has. */

import type { JsonObject } from "../../lib/json.ts";
import { ok, type Result } from "../../lib/result.ts";
import type { BundleSource } from "../../spiffe/bundle-source.ts";
import { type CompactJws, parseCompactJws } from "../../spiffe/compact-jws.ts";
import { verifyJwtSvid } from "../../spiffe/jwt-svid.ts";
import { type Refusal, refuseCall } from "./refusal.ts";

/** What a token that was verified says. It may be replayed until it expires. */
export interface VerifiedToken {
  readonly claims: JsonObject;
  /** Milliseconds since the epoch. */
  readonly expiresAtMs: number;
}

export interface TokenVerifier {
  /** Whether the token claims to be of the kind or issuer that this one verifies; nothing of it is proved yet. UNTRUSTED. */
  accepts(jws: CompactJws): boolean;
  /** Never rejects. */
  verify(jws: CompactJws, nowMs: number): Promise<Result<VerifiedToken, Refusal>>;
}

/** JWT-SVIDs for one of `audiences`, by the bundles of the trust domains of their subjects. */
export const jwtSvidVerifier = (bundles: BundleSource, audiences: readonly string[]): TokenVerifier => ({
  accepts: ({ claims }) => typeof claims["sub"] === "string" && claims["sub"].startsWith("spiffe://"),
  verify: async ({ token }, nowMs) => {
    const svid = verifyJwtSvid(token, bundles, { audiences, nowMs });
    return svid.ok ? ok(svid.value) : refuseCall("token", svid.error.message);
  },
});

/** RFC 6750 §2.1. */
const BEARER = /^bearer +(?<token>[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)$/i;

/** What the header `authorization` proves, by the first verifier that takes such tokens. UNTRUSTED. */
export async function verifyBearer(
  authorization: string,
  verifiers: readonly TokenVerifier[],
  nowMs: number,
): Promise<Result<VerifiedToken, Refusal>> {
  const { token } = BEARER.exec(authorization)?.groups ?? {};
  if (token === undefined) return refuseCall("token", "expected `Bearer` and a signed token in `authorization`");
  const jws = parseCompactJws(token, "jwt");
  if (!jws.ok) return refuseCall("token", jws.error.message);
  const verifier = verifiers.find((each) => each.accepts(jws.value));
  return verifier === undefined ? refuseCall("token", "nobody here knows the issuer of the token") : verifier.verify(jws.value, nowMs);
}
