import { VigilError } from "../../lib/error.ts";

/** What can go wrong in the authority. Each is a row in ERRORS.md. */
export type AuthorityErrorCode =
  | "AUTHORITY_STATE_DAMAGED"
  | "AUTHORITY_STATE_UNWRITABLE"
  | "AUTHORITY_KEY_UNREADABLE"
  | "AUTHORITY_TRUST_DOMAIN"
  | "AUTHORITY_NONE_ACTIVE"
  | "AUTHORITY_UNKNOWN"
  | "AUTHORITY_PHASE"
  | "AUTHORITY_NOT_PUBLISHED"
  | "AUTHORITY_UPSTREAM"
  | "AUTHORITY_LIMIT"
  | "AUTHORITY_KEY_CONFLICT"
  | "AUTHORITY_REGISTRATIONS_UNREADABLE"
  | "AUTHORITY_LISTEN";

export const authorityError = (
  code: AuthorityErrorCode,
  message: string,
  options: { readonly hint?: string; readonly cause?: unknown } = {},
): VigilError<AuthorityErrorCode> => new VigilError(code, message, options);
