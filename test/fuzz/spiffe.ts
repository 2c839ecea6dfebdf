/** Fuzzes what strangers send to a verifier of identities: certificates, tokens, bundles and IDs, mutated. Nothing may crash, hang or be accepted that was changed. */

import { messageOf } from "../../src/lib/error.ts";
import { encodeJson } from "../../src/lib/json.ts";
import type { Result } from "../../src/lib/result.ts";
import { jsonOfTrustBundle, parseTrustBundle } from "../../src/spiffe/bundle.ts";
import { createBundleMap, parseBundleMap } from "../../src/spiffe/bundle-map.ts";
import { parseEndpointAddress } from "../../src/spiffe/endpoint-address.ts";
import { followRedirect, parseFederationEndpoint } from "../../src/spiffe/federation.ts";
import { verifyJwtSvid } from "../../src/spiffe/jwt-svid.ts";
import { SpiffeError } from "../../src/spiffe/spiffe-error.ts";
import { parseSpiffeId, pathOf, trustDomainOf } from "../../src/spiffe/spiffe-id.ts";
import { verifyWitSvid } from "../../src/spiffe/wit-svid.ts";
import { verifyX509Svid } from "../../src/spiffe/x509-svid.ts";
import {
  basicConstraints,
  buildAuthority,
  buildLeaf,
  dnsName,
  KEY_CERT_SIGN,
  keyUsage,
  NOW_MS,
  nameConstraints,
  uriName,
} from "../spiffe/certificate-builder.ts";
import { a, b, bundles, EXPECTED, JWT_CLAIMS, jwkOfSigner, newSigner, signedToken } from "../spiffe/trust-fixture.ts";
import { mutatedBytes, mutatedText, type UpTo } from "./mutation.ts";
import { type FuzzTarget, threadMs } from "./target.ts";

/** Far more than any input of this size may take. */
const MAX_MS = 500;

type Verdict = Result<unknown, Error>;

const intermediate = buildAuthority(
  "intermediate",
  "spiffe://a.test",
  { extensions: [basicConstraints(true, 0), keyUsage([KEY_CERT_SIGN]), nameConstraints([uriName("a.test")], [dnsName("b.test")])] },
  a.authority,
);
const chain = [buildLeaf(intermediate), intermediate.der];
const jwt = signedToken({ alg: "ES256", kid: "jwt-1", typ: "JWT" }, { ...JWT_CLAIMS, nbf: NOW_MS / 1000 }, a.jwtSigner);
const { kid: _, use: __, ...jwk } = jwkOfSigner("sig", newSigner("workload"));
const witClaims = { sub: "spiffe://a.test/web", exp: NOW_MS / 1000 + 300, cnf: { jwk: { ...jwk, alg: "ES256" } } };
const wit = signedToken({ alg: "ES256", kid: "wit-1", typ: "wit+jwt" }, witClaims, a.witSigner);
const bundle = encodeJson({ spiffe_sequence: 1, spiffe_refresh_hint: 60, ...jsonOfTrustBundle(a.bundle) });
const map = encodeJson({ trust_domains: { "a.test": jsonOfTrustBundle(a.bundle), "b.test": jsonOfTrustBundle(b.bundle) } });

/** A token with claims or header changed, the signature left as it was; or any text. */
function mutatedToken(token: string, upTo: UpTo): string {
  if (upTo(2) === 0) return mutatedText(token, upTo);
  const parts = token.split(".");
  const index = upTo(3);
  const part = Buffer.from(parts[index] ?? "", "base64url");
  parts[index] = (index === 2 ? Buffer.from(mutatedBytes(part, upTo)) : Buffer.from(mutatedText(part.toString(), upTo))).toString(
    "base64url",
  );
  return parts.join(".");
}

interface Attempt {
  readonly input: string;
  readonly verify: () => Verdict;
  /** Whether acceptance would be a forgery. */
  readonly mustRefuse: boolean;
}

const KINDS: readonly ((upTo: UpTo) => Attempt)[] = [
  (upTo) => {
    const presented = chain.map((der) => mutatedBytes(der, upTo));
    // A change of the leaf breaks its signature; the intermediate may also have been dropped from use by a change.
    const isChanged = presented.some((der, index) => Buffer.compare(der, chain[index] ?? der) !== 0);
    const input = presented.map((der) => Buffer.from(der).toString("base64")).join(" ");
    return { input, verify: () => verifyX509Svid(presented, bundles, { nowMs: NOW_MS }), mustRefuse: isChanged };
  },
  (upTo) => {
    const token = mutatedToken(jwt, upTo);
    return { input: token, verify: () => verifyJwtSvid(token, bundles, EXPECTED), mustRefuse: token !== jwt };
  },
  (upTo) => {
    const token = mutatedToken(wit, upTo);
    const verify = (): Verdict => verifyWitSvid(token, bundles, { nowMs: NOW_MS, provesPossession: () => true });
    return { input: token, verify, mustRefuse: token !== wit };
  },
  (upTo) => {
    const text = mutatedText(bundle, upTo);
    return { input: text, verify: () => checkedBundle(text), mustRefuse: false };
  },
  (upTo) => {
    const text = mutatedText(map, upTo);
    return { input: text, verify: () => parseBundleMap(Buffer.from(text)), mustRefuse: false };
  },
  (upTo) => {
    const text = mutatedText("spiffe://a.test/ns/default/sa/web", upTo);
    return { input: text, verify: () => checkedId(text), mustRefuse: false };
  },
  (upTo) => {
    const text = mutatedText(["unix:///run/agent.sock", "tcp://127.0.0.1:8000", "tcp://[::1]:8000"][upTo(3)] ?? "", upTo);
    return { input: text, verify: () => parseEndpointAddress(text), mustRefuse: false };
  },
  (upTo) => {
    const url = mutatedText("https://a.test:8443/bundle?x#y", upTo);
    const verify = (): Verdict => {
      const redirect = followRedirect("https://a.test/bundle", url);
      return redirect.ok ? parseFederationEndpoint({ profile: "https_web", trustDomain: "a.test", url: redirect.value }) : redirect;
    };
    return { input: url, verify, mustRefuse: false };
  },
];

/** A bundle that is read can be written and read again, and used. */
function checkedBundle(text: string): Verdict {
  const read = parseTrustBundle(Buffer.from(text), a.domain);
  if (!read.ok) return read;
  verifyX509Svid(chain, createBundleMap([read.value]), { nowMs: NOW_MS });
  verifyJwtSvid(jwt, createBundleMap([read.value]), EXPECTED);
  const written = encodeJson(jsonOfTrustBundle(read.value));
  const again = parseTrustBundle(Buffer.from(written), a.domain);
  if (!again.ok || encodeJson(jsonOfTrustBundle(again.value)) !== written) throw new Error(`written as ${written}`);
  return read;
}

function checkedId(text: string): Verdict {
  const id = parseSpiffeId(text);
  if (id.ok && `spiffe://${trustDomainOf(id.value)}${pathOf(id.value)}` !== text) throw new Error("the parts are not the whole");
  return id;
}

export const spiffeFuzz: FuzzTarget = {
  name: "spiffe",
  run(random) {
    const upTo: UpTo = (limit) => Math.floor(random() * limit);
    const attempt = (KINDS[upTo(KINDS.length)] ?? KINDS[0])?.(upTo);
    if (attempt === undefined) return;
    try {
      const startMs = threadMs();
      const verdict = attempt.verify();
      if (threadMs() - startMs > MAX_MS) throw new Error("too slow");
      if (verdict.ok && attempt.mustRefuse) throw new Error("accepted, though it was changed");
      if (!verdict.ok && !(verdict.error instanceof SpiffeError && /^[ -~…§]+$/.test(verdict.error.message)))
        throw new Error(`not a proper refusal: ${verdict.error.message}`);
    } catch (error) {
      throw new Error(`${messageOf(error)}; ${JSON.stringify(attempt.input.slice(0, 8000))}`, { cause: error });
    }
  },
};
