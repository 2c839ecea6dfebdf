/** What `node:tls` needs to present an SVID and to accept any certificate, so that Vigil's own validator decides about it. */
import { constants } from "node:crypto";
import { createSecureContext, type SecureContext, type SecureContextOptions } from "node:tls";
import { encodePem } from "../lib/pem.ts";
import type { X509Svid } from "../spiffe/x509-svid.ts";

export type MinTlsVersion = "TLSv1.2" | "TLSv1.3";

/**
 * - `ca: []`: OpenSSL knows no trust domains; a pool of authorities would let each sign for all (SPIFFE_Federation §4.2).
 * - No tickets: a resumed session is checked neither for expiry nor for revocation.
 * - No renegotiation: it could put another certificate under an identity that was verified before.
 */
export function secureContextOptions({ certificates, privateKey }: X509Svid, minVersion: MinTlsVersion): SecureContextOptions {
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }),
    cert: certificates.map(({ der }) => encodePem({ label: "CERTIFICATE", der })).join(""),
    ca: [],
    minVersion,
    ecdhCurve: KEY_AGREEMENT,
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  };
}

/** X25519 first, with ML-KEM-768 where both sides have it; then the curves that older peers have. */
const KEY_AGREEMENT = "X25519MLKEM768:X25519:P-256:P-384";

/** Contexts by SVID: each is made once, however many connections present it. */
export class SecureContexts {
  readonly #minVersion: MinTlsVersion;
  readonly #contexts = new WeakMap<X509Svid, SecureContext>();

  constructor(minVersion: MinTlsVersion) {
    this.#minVersion = minVersion;
  }

  contextOf(svid: X509Svid): SecureContext {
    const known = this.#contexts.get(svid);
    if (known !== undefined) return known;
    const context = createSecureContext(secureContextOptions(svid, this.#minVersion));
    this.#contexts.set(svid, context);
    return context;
  }
}
