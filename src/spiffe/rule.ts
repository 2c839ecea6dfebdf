/**
 * The rules of the SPIFFE specifications that this folder enforces. A refusal names its rule; the rule knows its section.
 * `docs/spiffe.md` lists them; a test provokes each.
 */

export type SpiffeErrorCode =
  | "SPIFFE_ID_INVALID"
  | "SPIFFE_X509_INVALID"
  | "SPIFFE_X509_UNTRUSTED"
  | "SPIFFE_JWT_INVALID"
  | "SPIFFE_JWT_UNTRUSTED"
  | "SPIFFE_WIT_INVALID"
  | "SPIFFE_WIT_UNTRUSTED"
  | "SPIFFE_BUNDLE_INVALID"
  | "SPIFFE_FEDERATION_INVALID"
  | "SPIFFE_ENDPOINT_INVALID"
  | "SPIFFE_WORKLOAD_API_INVALID";

/** By error code and name: where it is written, and what it demands. */
const TABLE = {
  SPIFFE_ID_INVALID: {
    "id-scheme": ["SPIFFE-ID §2", "the scheme is `spiffe`, in lower case, followed by `://`"],
    "id-query": ["SPIFFE-ID §2", "there is no query and no fragment"],
    "trust-domain-empty": ["SPIFFE-ID §2.1", "the trust domain is not empty"],
    "trust-domain-authority": ["SPIFFE-ID §2.1", "there is no user information and no port"],
    "trust-domain-character": ["SPIFFE-ID §2.1", "the trust domain has only a-z, 0-9, dots, dashes and underscores"],
    "path-segment": ["SPIFFE-ID §2.2", "no segment is empty, `.` or `..`, and the path does not end in `/`"],
    "path-character": ["SPIFFE-ID §2.2", "segments have only letters, digits, dots, dashes and underscores"],
    "id-length": ["SPIFFE-ID §2.3", "the whole has at most 2048 bytes, the trust domain at most 255"],
  },
  SPIFFE_X509_INVALID: {
    "x509-one-uri": ["X509-SVID §2", "there is exactly one URI among the subject's alternative names"],
    "x509-leaf-path": ["X509-SVID §5.2", "the SPIFFE ID of a leaf has a path"],
    "x509-san-critical": ["X509-SVID §3.1", "alternative names are critical where the subject is empty"],
    "x509-authority-id": ["X509-SVID §3.2", "the SPIFFE ID of a signing certificate has no path"],
    "x509-leaf-ca": ["X509-SVID §5.2", "a leaf is not a certificate authority"],
    "x509-authority-ca": ["X509-SVID §4.1", "a signing certificate is a certificate authority"],
    "x509-key-usage": ["X509-SVID §4.3", "key usage is present and critical"],
    "x509-leaf-digital-signature": ["X509-SVID §4.3", "a leaf may make digital signatures"],
    "x509-leaf-signs": ["X509-SVID §5.2", "a leaf signs neither certificates nor revocation lists"],
    "x509-authority-key-cert-sign": ["X509-SVID §4.3", "a signing certificate may sign certificates"],
    "x509-extended-key-usage": ["X509-SVID §4.4", "extended key usage, where present, names serverAuth and clientAuth"],
    "x509-private-key": ["X509-SVID §3.1", "the private key belongs to the leaf"],
  },
  SPIFFE_X509_UNTRUSTED: {
    "x509-encoding": ["RFC 5280 §4.1", "a certificate is strict DER of version 3 without repeated extensions"],
    "x509-trust-domain": ["X509-SVID §6.2", "the trust domain of the SVID has authorities for X.509"],
    "x509-chain-limit": ["X509-SVID §5.1", "a chain has a reasonable length"],
    "x509-issuer": ["RFC 5280 §6.1", "a path leads from the leaf to an authority of its own trust domain"],
    "x509-signature": ["RFC 5280 §6.1.3", "each certificate is signed by the next"],
    "x509-algorithm": ["RFC 5280 §4.1.1.2", "signatures use SHA-2 with ECDSA, RSA from 2048 bits, or Ed25519"],
    "x509-validity": ["RFC 5280 §6.1.3", "each certificate is valid now"],
    "x509-path-length": ["RFC 5280 §4.2.1.9", "no authority has more authorities below it than it allows"],
    "x509-critical-extension": ["RFC 5280 §4.2", "critical extensions are known"],
    "x509-name-constraints": ["X509-SVID §4.2", "names lie within the name constraints of the authorities above"],
  },
  SPIFFE_JWT_INVALID: {
    "jwt-serialization": ["JWT-SVID §5.1", "the token is a JWS in compact serialization"],
    "jwt-header": ["JWT-SVID §2", "the header has alg, kid and typ at most"],
    "jwt-algorithm": ["JWT-SVID §2.1", "alg is RS, ES or PS with 256, 384 or 512"],
    "jwt-key-id": ["JWT-SVID §2.2", "kid is text, where present"],
    "jwt-type": ["JWT-SVID §2.3", "typ is JWT or JOSE, where present"],
    "jwt-claims": ["JWT-SVID §3", "the claims are a JSON object"],
    "jwt-subject": ["JWT-SVID §3.1", "sub is a SPIFFE ID"],
    "jwt-audience": ["JWT-SVID §3.2", "aud names the validator"],
    "jwt-expiry": ["JWT-SVID §3.3", "exp is present and not past"],
    "jwt-not-before": ["JWT-SVID §4", "nbf is not in the future, where present"],
  },
  SPIFFE_JWT_UNTRUSTED: {
    "jwt-trust-domain": ["JWT-SVID §6.2", "the trust domain of sub has keys for JWTs"],
    "jwt-key": ["SPIFFE_Workload_API §6.3", "the key is one of the trust domain of sub, and fits alg"],
    "jwt-signature": ["JWT-SVID §4", "the signature is right"],
  },
  SPIFFE_WIT_INVALID: {
    "wit-serialization": ["WIT-SVID §2", "the token is a JWS in compact serialization"],
    "wit-header": ["WIT-SVID §2.4", "the header is a JSON object without crit"],
    "wit-algorithm": ["WIT-SVID §2.3", "alg is RS, ES or PS with 256, 384 or 512"],
    "wit-key-id": ["WIT-SVID §2.1", "kid is present"],
    "wit-type": ["WIT-SVID §2.2", "typ is wit+jwt"],
    "wit-claims": ["WIT-SVID §3", "the claims are a JSON object"],
    "wit-subject": ["WIT-SVID §3.1", "sub is a SPIFFE ID"],
    "wit-confirmation": ["WIT-SVID §3.2", "cnf has a public JWK with an allowed alg"],
    "wit-expiry": ["WIT-SVID §3.4", "exp is present and not past"],
    "wit-not-before": ["WIT-SVID §3.5", "nbf is not in the future, where present"],
    "wit-audience": ["WIT-SVID §3.8", "there is no aud"],
  },
  SPIFFE_WIT_UNTRUSTED: {
    "wit-trust-domain": ["WIT-SVID §6.2", "the trust domain of sub has keys for WITs"],
    "wit-key": ["WIT-SVID §6.2", "the key is one of the trust domain of sub, and fits alg"],
    "wit-signature": ["WIT-SVID §4", "the signature is right"],
    "wit-possession": ["WIT-SVID §7.1", "the sender proves that it holds the key of cnf"],
  },
  SPIFFE_BUNDLE_INVALID: {
    "bundle-encoding": ["SPIFFE_Trust_Domain_and_Bundle §4", "a bundle is a JSON object in UTF-8, of a reasonable size"],
    "bundle-duplicate-name": ["SPIFFE_Trust_Domain_and_Bundle §6.3", "no name stands twice in one object"],
    "bundle-keys": ["SPIFFE_Trust_Domain_and_Bundle §4.1.3", "keys is present, an array of objects"],
    "bundle-sequence": ["SPIFFE_Trust_Domain_and_Bundle §4.1.1", "spiffe_sequence is an unsigned integer of 64 bits"],
    "bundle-refresh-hint": ["SPIFFE_Trust_Domain_and_Bundle §4.1.2", "spiffe_refresh_hint is a whole number of seconds"],
    "bundle-key": ["RFC 7517 §4", "a key of a known type and use is well-formed"],
    "bundle-certificate": ["X509-SVID §6.2", "the first value of x5c is a certificate"],
    "bundle-key-id": ["JWT-SVID §6.1", "keys for tokens have a kid"],
    "bundle-key-id-unique": ["WIT-SVID §6.1", "no kid stands twice"],
    "bundle-map": ["SPIFFE_Trust_Domain_and_Bundle §5.1.1", "trust_domains is present, an object of bundles by trust domain"],
    "bundle-superseded": ["SPIFFE_Federation §4.2", "a bundle is not replaced by an older one"],
  },
  SPIFFE_FEDERATION_INVALID: {
    "federation-parameters": ["SPIFFE_Federation §5.1", "an endpoint has a URL, a profile and a trust domain, and for https_spiffe an ID"],
    "federation-url": ["SPIFFE_Federation §5.2", "the URL is https without user information"],
    "federation-redirect": ["SPIFFE_Federation §5.2", "a redirect leads to a valid endpoint URL"],
    "federation-server": ["SPIFFE_Federation §5.2.2.4", "the server is the endpoint's configured SPIFFE ID"],
  },
  SPIFFE_ENDPOINT_INVALID: {
    "endpoint-address": [
      "SPIFFE_Workload_Endpoint §4",
      "the address is `unix:` with an absolute path alone, or `tcp:` with IP address and port alone",
    ],
  },
  SPIFFE_WORKLOAD_API_INVALID: {
    "workload-api-mandatory": ["SPIFFE_Workload_API §4.5", "mandatory fields are not empty, lists of a reasonable length"],
    "workload-api-id": ["SPIFFE_Workload_API §5.2.1", "what an SVID or a bundle is of is what it is named after"],
  },
} as const;

type RuleOf<C> = C extends SpiffeErrorCode ? keyof (typeof TABLE)[C] : never;
export type SpiffeRule = RuleOf<SpiffeErrorCode>;

export interface RuleDescription {
  readonly code: SpiffeErrorCode;
  /** Document and section, as `X509-SVID §5.2`. */
  readonly section: string;
  /** What the rule demands, as a clause. */
  readonly says: string;
}

/** Every rule by its name. */
export const SPIFFE_RULES: Readonly<Record<SpiffeRule, RuleDescription>> = readTable();

function readTable(): Readonly<Record<SpiffeRule, RuleDescription>> {
  const rules = Object.entries(TABLE).flatMap(([code, group]) =>
    Object.entries(group).map(([rule, [section, says]]) => [rule, { code, section, says }] as const),
  );
  // The entries of a table lose the types of its names.
  return Object.fromEntries(rules) as Record<SpiffeRule, RuleDescription>;
}
