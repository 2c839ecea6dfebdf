/** The published entry `@vigil-dev/vigil/spiffe`: SPIFFE identities, their documents and trust bundles, parsed and verified. */
export {
  jsonOfJwtBundle,
  jsonOfTrustBundle,
  MAX_BUNDLE_BYTES,
  parseJwtBundle,
  parseTrustBundle,
  parseX509Bundle,
  parseX509BundlePem,
  type TrustBundle,
} from "./bundle.ts";
export { type BundleMap, createBundleMap, jsonOfBundleMap, parseBundleMap } from "./bundle-map.ts";
export type { BundleSource, ChangeNotice, RevocationSource, X509Source } from "./bundle-source.ts";
export type { TokenClock, TokenSigner } from "./compact-jws.ts";
export { type EndpointAddress, parseEndpointAddress } from "./endpoint-address.ts";
export {
  type FederationEndpoint,
  followRedirect,
  parseFederationEndpoint,
  publicationLeadMs,
  refreshIntervalMs,
  succeedBundle,
  verifyFederationServer,
} from "./federation.ts";
export {
  type JwtExpectation,
  type JwtSvid,
  type JwtSvidContent,
  parseUnverifiedJwtSvid,
  signJwtSvid,
  verifyJwtSvid,
} from "./jwt-svid.ts";
export { type RuleDescription, SPIFFE_RULES, type SpiffeErrorCode, type SpiffeRule } from "./rule.ts";
export { SpiffeError } from "./spiffe-error.ts";
export {
  idOfTrustDomain,
  MAX_SPIFFE_ID_BYTES,
  MAX_TRUST_DOMAIN_BYTES,
  parseSpiffeId,
  parseTrustDomain,
  pathOf,
  type SpiffeId,
  spiffeIdOf,
  type TrustDomain,
  trustDomainOf,
} from "./spiffe-id.ts";
export type { TokenAlgorithm, TokenKey } from "./token-key.ts";
export {
  type ConfirmationKey,
  signWitSvid,
  verifyWitSvid,
  type WitExpectation,
  type WitSvid,
  type WitSvidContent,
} from "./wit-svid.ts";
export { parseX509Certificate, type X509Certificate } from "./x509-certificate.ts";
export { parseX509Svid, parseX509SvidPem, type VerifiedX509Svid, verifyX509Svid, type X509Svid } from "./x509-svid.ts";
