/** A trust domain that lives now: authorities that come and go, and SVIDs of any kind, good unless told otherwise. */
import { randomBytes } from "node:crypto";
import { IdentityStore } from "../../src/service/identity-store.ts";
import type { TrustBundle } from "../../src/spiffe/bundle.ts";
import type { TrustDomain } from "../../src/spiffe/spiffe-id.ts";
import { parseX509Certificate, type X509Certificate } from "../../src/spiffe/x509-certificate.ts";
import { parseX509Svid, type X509Svid } from "../../src/spiffe/x509-svid.ts";
import {
  type Authority,
  alternativeNames,
  basicConstraints,
  buildAuthority,
  buildCertificate,
  DIGITAL_SIGNATURE,
  extendedKeyUsage,
  type Keys,
  keyUsage,
  newKeys,
  pkcs8Of,
  uriName,
} from "../spiffe/certificate-builder.ts";
import { domainOf, expectOk } from "../spiffe/trust-fixture.ts";

const HOUR_MS = 3_600_000;
export const ANY_MOMENT: { readonly notBeforeMs: number; readonly notAfterMs: number } = {
  notBeforeMs: Date.now() - HOUR_MS,
  notAfterMs: Date.now() + 24 * HOUR_MS,
};

export interface SvidDraft {
  readonly authority?: Authority;
  readonly issuerKeys?: Keys;
  readonly intermediates?: readonly Authority[];
  readonly keys?: Keys;
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
}

export const newAuthority = (domain: string, issuer?: Authority): Authority =>
  buildAuthority(`authority ${randomBytes(4).toString("hex")} of ${domain}`, `spiffe://${domain}`, ANY_MOMENT, issuer);

export const certificateOf = ({ der }: Authority): X509Certificate => expectOk(parseX509Certificate(der));

export const bundleOf = (domain: string, authorities: readonly Authority[]): TrustBundle => ({
  trustDomain: domainOf(domain),
  x509Authorities: authorities.map(certificateOf),
  jwtKeys: new Map(),
  witKeys: new Map(),
});

export const bundlesOf = (...bundles: readonly TrustBundle[]): ReadonlyMap<TrustDomain, TrustBundle> =>
  new Map(bundles.map((bundle) => [bundle.trustDomain, bundle]));

/** An SVID of `id` signed by the authority. */
export function issueSvid(id: string, authority: Authority, draft: SvidDraft = {}): X509Svid {
  const { keys = newKeys(), intermediates = [], notBeforeMs = Date.now() - 60_000, notAfterMs = Date.now() + HOUR_MS } = draft;
  const leaf = buildCertificate({
    subject: "",
    issuer: authority.name,
    keys,
    signer: draft.issuerKeys ?? authority.keys,
    notBeforeMs,
    notAfterMs,
    extensions: [
      basicConstraints(false),
      keyUsage([DIGITAL_SIGNATURE]),
      extendedKeyUsage(["serverAuth", "clientAuth"]),
      alternativeNames([uriName(id)]),
    ],
  });
  return expectOk(parseX509Svid(Buffer.concat([leaf, ...intermediates.map(({ der }) => der)]), pkcs8Of(keys)));
}

/** A source that presents an SVID and trusts these authorities of a.test, and the bundles that are given beside. */
export const storeOf = (svid: X509Svid | undefined, authorities: readonly Authority[], ...others: readonly TrustBundle[]): IdentityStore =>
  new IdentityStore({ svid, bundles: bundlesOf(bundleOf("a.test", authorities), ...others) });
