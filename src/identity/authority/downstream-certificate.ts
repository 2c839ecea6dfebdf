/** The certificate of an authority below ours: what it may be, whatever it asks for. */
import { encodeCommonName, encodeToBeSigned, keyIdentifier } from "../../lib/certificate.ts";
import { idOfTrustDomain, type TrustDomain } from "../../spiffe/spiffe-id.ts";
import { parseX509Certificate } from "../../spiffe/x509-certificate.ts";
import type { CertificateSigner } from "./active-signers.ts";
import { BACKDATE_MS } from "./make-authority.ts";

const DEFAULT_TTL_MS = 24 * 3_600_000;
const LONGEST_TTL_MS = 30 * DEFAULT_TTL_MS;
/** It signs SVIDs, and no authorities of its own: what is below is registered here. */
const PATH_LENGTH = 0;

export interface DownstreamRequest {
  readonly trustDomain: TrustDomain;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKeyInfo: Uint8Array;
  readonly serial: Uint8Array;
  readonly nowMs: number;
  readonly ttlMs: number;
}

/** How long it lives when so much is wished; 0: nothing is. */
export const downstreamTtlMs = (wishedMs: number): number => Math.min(LONGEST_TTL_MS, wishedMs === 0 ? DEFAULT_TTL_MS : wishedMs);

/** Whether our own certificate allows authorities below it. */
export function mayHaveDownstream({ record }: CertificateSigner): boolean {
  const own = record.certificate === undefined ? undefined : parseX509Certificate(record.certificate.der);
  return own?.ok === true && (own.value.pathLength === undefined || own.value.pathLength > PATH_LENGTH);
}

/** Never outlives who signs it. */
export function prepareDownstream(
  { trustDomain, publicKeyInfo, serial, nowMs, ttlMs }: DownstreamRequest,
  { record, issuer }: CertificateSigner,
): { readonly toBeSigned: Uint8Array; readonly notBeforeMs: number; readonly notAfterMs: number; readonly id: string } {
  const wholeSeconds = (ms: number): number => Math.floor(ms / 1000) * 1000;
  const notBeforeMs = wholeSeconds(nowMs - BACKDATE_MS);
  const notAfterMs = wholeSeconds(Math.min(nowMs + ttlMs, record.notAfterMs));
  const id = Buffer.from(keyIdentifier(publicKeyInfo)).toString("hex");
  const toBeSigned = encodeToBeSigned({
    profile: { kind: "authority", pathLength: PATH_LENGTH, names: [{ kind: "uri", value: idOfTrustDomain(trustDomain) }] },
    // Names differ from one authority to the next, so that those who build chains take the right one.
    subject: encodeCommonName(`Authority below ${id.slice(0, 16)}`),
    ...{ publicKeyInfo, serial, notBeforeMs, notAfterMs, issuer },
  });
  return { toBeSigned, notBeforeMs, notAfterMs, id };
}
