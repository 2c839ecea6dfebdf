import { VigilError } from "../lib/error.ts";

export type ServiceErrorCode =
  | "SERVICE_NO_IDENTITY"
  | "SERVICE_UNEXPECTED_IDENTITY"
  | "SERVICE_IDENTITY_FILES"
  | "SERVICE_HANDSHAKE"
  | "SERVICE_CONNECTION_LOST"
  | "SERVICE_PEER_UNVERIFIED"
  | "SERVICE_PEER_REVOKED"
  | "SERVICE_PEER_REFUSED"
  | "SERVICE_PEER_PATTERN"
  | "SERVICE_PLAIN_URL"
  | "SERVICE_POLICIES"
  | "SERVICE_ROUTE"
  | "SERVICE_ISSUER"
  | "SERVICE_NO_CONTEXT"
  | "SERVICE_NO_TENANT"
  | "SERVICE_CONTEXT_REFUSED"
  | "SERVICE_ENFORCEMENT_LINK"
  | "SERVICE_CLOSED";

/** Why there is no connection, or none any more. */
export class ServiceError extends VigilError<ServiceErrorCode> {
  constructor(code: ServiceErrorCode, message: string, options: { readonly hint?: string; readonly cause?: unknown } = {}) {
    super(code, message, options);
    this.name = "ServiceError";
  }
}
