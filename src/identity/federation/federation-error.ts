import { VigilError } from "../../lib/error.ts";

/** Why a bundle of another trust domain was not fetched. Each is a row in ERRORS.md. */
export type FederationErrorCode = "FEDERATION_UNREACHABLE" | "FEDERATION_SERVER" | "FEDERATION_ANSWER" | "FEDERATION_STORE";

export const federationError = (
  code: FederationErrorCode,
  message: string,
  options: { readonly hint?: string; readonly cause?: unknown } = {},
): VigilError<FederationErrorCode> => new VigilError(code, message, options);
