/** Requests that are refused before a policy is asked: what is wrong, as the Kubernetes Status that API clients print. */
import type { JsonErrorCode } from "../lib/strict-json.ts";
import type { ReviewError } from "../policy/request-reader.ts";

export type AdmissionErrorCode =
  | "ADMISSION_NOT_FOUND"
  | "ADMISSION_METHOD"
  | "ADMISSION_CONTENT_TYPE"
  | "ADMISSION_BODY_TOO_LARGE"
  | "ADMISSION_BODY_TRUNCATED"
  | "ADMISSION_BODY_LATE"
  | "ADMISSION_OVERLOADED"
  | "ADMISSION_NOT_READY"
  | "ADMISSION_FAILED";

export interface Refusal {
  readonly code: AdmissionErrorCode | JsonErrorCode | ReviewError["code"];
  readonly message: string;
  readonly hint?: string | undefined;
}

/** HTTP status and StatusReason (`metav1.StatusReason`) of each refusal. */
const ANSWERS: { readonly [C in Refusal["code"]]: readonly [status: number, reason: string] } = {
  ADMISSION_NOT_FOUND: [404, "NotFound"],
  ADMISSION_METHOD: [405, "MethodNotAllowed"],
  ADMISSION_CONTENT_TYPE: [415, "UnsupportedMediaType"],
  ADMISSION_BODY_TOO_LARGE: [413, "RequestEntityTooLarge"],
  ADMISSION_BODY_TRUNCATED: [400, "BadRequest"],
  ADMISSION_BODY_LATE: [408, "Timeout"],
  ADMISSION_OVERLOADED: [429, "TooManyRequests"],
  ADMISSION_NOT_READY: [503, "ServiceUnavailable"],
  ADMISSION_FAILED: [500, "InternalError"],
  JSON_UTF8: [400, "BadRequest"],
  JSON_SYNTAX: [400, "BadRequest"],
  JSON_DUPLICATE_NAME: [400, "BadRequest"],
  JSON_FORBIDDEN_NAME: [400, "BadRequest"],
  JSON_DEPTH: [400, "BadRequest"],
  REVIEW_INVALID: [400, "BadRequest"],
  REVIEW_VERSION: [400, "BadRequest"],
  REVIEW_NO_REQUEST: [400, "BadRequest"],
};

/** The refusal as an HTTP status and a `v1` Status in JSON; the code and the hint stand in its causes. */
export function encodeRefusal({ code, message, hint }: Refusal): { readonly status: number; readonly body: string } {
  const [status, reason] = ANSWERS[code];
  const details = { causes: [{ reason: code, message: hint ?? message }] };
  return { status, body: JSON.stringify({ kind: "Status", apiVersion: "v1", status: "Failure", message, reason, details, code: status }) };
}
