/** Where verifiers and servers take trust and identity from: a bundle map, files, or the Workload API. One method each. */
import type { TrustBundle } from "./bundle.ts";
import type { TrustDomain } from "./spiffe-id.ts";
import type { VerifiedX509Svid, X509Svid } from "./x509-svid.ts";

export interface BundleSource {
  /**
   * The latest bundle of a trust domain; undefined when the domain is not trusted. A bundle is never edited: a changed one is another object.
   * INVARIANT: never the bundle of another domain.
   */
  bundleOf(domain: TrustDomain): TrustBundle | undefined;
}

export interface X509Source {
  /**
   * The identity to present now; undefined while there is none. Asked for each connection, so that a renewed one is used at once.
   * A renewed identity is another object.
   */
  x509Svid(): X509Svid | undefined;
}

/** What a source does beside answering, when it learns of changes by itself. */
export interface ChangeNotice {
  /** Calls `listener` after each change of what the source answers, until the function that it returns is called. */
  onChange(listener: () => void): () => void;
}

/** Who is no longer trusted although the certificates are in order: identities, serials, authorities. */
export interface RevocationSource extends ChangeNotice {
  /** Whether anything of the verified path is revoked: its identity, one of its certificates or an authority. */
  isRevoked(peer: VerifiedX509Svid): boolean;
}
