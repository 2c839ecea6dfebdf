/** Where verifiers and servers take trust and identity from: a bundle map, files, or the Workload API. One method each. */
import type { TrustBundle } from "./bundle.ts";
import type { TrustDomain } from "./spiffe-id.ts";
import type { X509Svid } from "./x509-svid.ts";

export interface BundleSource {
  /** The latest bundle of a trust domain; undefined when the domain is not trusted. INVARIANT: never the bundle of another domain. */
  bundleOf(domain: TrustDomain): TrustBundle | undefined;
}

export interface X509Source {
  /** The identity to present now; undefined while there is none. Asked for each connection, so that a renewed one is used at once. */
  x509Svid(): X509Svid | undefined;
}
