/** Where the webhook's certificate comes from: the seam between serving TLS and making certificates. */

export interface ServingCertificate {
  /** PKCS#8, PEM. */
  readonly keyPem: string;
  /** The certificate and its intermediates, leaf first, PEM. */
  readonly chainPem: string;
  /** What clients must trust, PEM: the `caBundle` of the webhook configurations. */
  readonly caBundlePem: string;
  readonly expiresAtMs: number;
}

export interface CertificateSource {
  current(): ServingCertificate;
  /** Calls `listener` with every certificate that replaces the current one; returns the function that ends it. */
  onChange(listener: (certificate: ServingCertificate) => void): () => void;
}
