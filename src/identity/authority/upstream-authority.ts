/** An authority above ours: it issues our certificate, and its roots are what the trust domain trusts. */

import type { ForeignTokenKey, UpstreamTrust } from "./foreign-trust.ts";
import type { SigningKey } from "./key-store.ts";

export interface UpstreamRequest {
  readonly key: SigningKey;
  /** A PKCS#10 request signed by the key, DER: for authorities that take nothing else. */
  readonly csr: Uint8Array;
  /** Name (DER) and SPIFFE ID that the certificate should have. */
  readonly subject: Uint8Array;
  readonly spiffeId: string;
  readonly serial: Uint8Array;
  readonly notBeforeMs: number;
  /** Wanted; the upstream authority may shorten it. */
  readonly notAfterMs: number;
}

/** DER. */
export interface UpstreamCertificate {
  readonly certificate: Uint8Array;
  /** Authorities between it and a root, nearest first. */
  readonly intermediates: readonly Uint8Array[];
  /** Not empty. */
  readonly roots: readonly Uint8Array[];
}

export interface UpstreamAuthority {
  /** For people: `file /etc/pki/ca.pem`. */
  readonly name: string;
  /** Rejects with `AUTHORITY_UPSTREAM` when it does not or cannot issue. The caller checks what it got. */
  issue(request: UpstreamRequest): Promise<UpstreamCertificate>;
  /** What the trust domain trusts now, beyond what is ours; absent where nobody can be asked. Rejects with `AUTHORITY_UPSTREAM`. */
  readonly trust?: () => Promise<UpstreamTrust>;
  /** Has a key of ours for JWT-SVIDs trusted by all of the trust domain. Rejects with `AUTHORITY_UPSTREAM`. */
  readonly publishJwtKey?: (key: ForeignTokenKey) => Promise<void>;
  readonly close?: () => Promise<void>;
}
