/** The published entry `@vigil-dev/vigil/node/access`: access policies in the process of a service, at every one of its doors. */
export {
  type AccessDecision,
  AccessGate,
  type AccessGateOptions,
  type AdmittedCall,
  type Authorization,
  type Caller,
  type InboundCall,
  type Judgement,
} from "./access-gate.ts";
export {
  AccessPolicies,
  type AccessPoliciesOptions,
  type OpenPoliciesOptions,
  openAccessPolicies,
  parseAccessPolicies,
} from "./access-policies.ts";
export {
  type AuthorizationContext,
  authorizationOf,
  currentAuthorization,
  currentTenant,
  type Job,
  mayCurrently,
  runAuthorized,
  runJob,
} from "./authorization-context.ts";
export {
  CONTEXT_HEADER,
  type ContextHeaders,
  ContextSigner,
  type ContextSignerOptions,
  ContextVerifier,
  type ContextVerifierOptions,
  runCarried,
} from "./carried-context.ts";
export { EnforcementLink, type EnforcementLinkOptions, openEnforcementLink } from "./enforcement-link.ts";
export { type GrpcInterceptionLibrary, grpcAccess } from "./grpc-access.ts";
export { type ExpressMiddleware, type ExpressRequest, expressAccess, fastifyAccess, guardListener, protectServer } from "./http-access.ts";
export { OidcIssuer, type OidcIssuerOptions } from "./oidc-issuer.ts";
export type { Refusal, RefusalKind } from "./refusal.ts";
export type { RawRequest } from "./request-facts.ts";
export { jwtSvidVerifier, type TokenVerifier, type VerifiedToken } from "./token-verifier.ts";
