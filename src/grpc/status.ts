/** gRPC status codes (grpc `doc/statuscodes.md`) and what else may take their place (`doc/http-grpc-status-mapping.md`). */

/** The code of a name, as they go over the wire. */
export const GRPC_STATUS = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

export type GrpcStatusName = keyof typeof GRPC_STATUS;
/** The name of every status but OK. */
export type GrpcFailure = Exclude<GrpcStatusName, "OK">;

// The keys of a literal are the names.
const NAMES = Object.keys(GRPC_STATUS) as readonly GrpcStatusName[];

/** The name of a code. A code that does not exist, or that is no number, is UNKNOWN, as the specification says. */
export const statusNameOf = (code: number): GrpcStatusName => NAMES[code] ?? "UNKNOWN";

/** What an answer of HTTP means that has no gRPC status, from a proxy for example. */
export function failureOfHttpStatus(status: number): GrpcFailure {
  switch (status) {
    case 400:
      return "INTERNAL";
    case 401:
      return "UNAUTHENTICATED";
    case 403:
      return "PERMISSION_DENIED";
    case 404:
      return "UNIMPLEMENTED";
    case 429:
    case 502:
    case 503:
    case 504:
      return "UNAVAILABLE";
    default:
      return "UNKNOWN";
  }
}

/** What a RST_STREAM means, by its error code (RFC 9113 §7). */
export function failureOfReset(code: number): GrpcFailure {
  switch (code) {
    case 0x7: // REFUSED_STREAM: nothing was done.
      return "UNAVAILABLE";
    case 0x8: // CANCEL
      return "CANCELLED";
    case 0xb: // ENHANCE_YOUR_CALM
      return "RESOURCE_EXHAUSTED";
    case 0xc: // INADEQUATE_SECURITY
      return "PERMISSION_DENIED";
    default:
      return "INTERNAL";
  }
}

const UNSAFE = /[^ -$&-~]/u;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** `grpc-message`: UTF-8, everything but printable ASCII without `%` written as `%XX`. */
export function encodeStatusMessage(message: string): string {
  if (!UNSAFE.test(message)) return message;
  let encoded = "";
  for (const octet of encoder.encode(message))
    encoded +=
      octet >= 0x20 && octet <= 0x7e && octet !== 0x25
        ? String.fromCharCode(octet)
        : `%${octet.toString(16).toUpperCase().padStart(2, "0")}`;
  return encoded;
}

/** The text of a `grpc-message`. What is not encoded correctly stays as it is, as the specification says. UNTRUSTED. */
export function decodeStatusMessage(value: string): string {
  if (!value.includes("%")) return value;
  const octets: number[] = [];
  for (let at = 0; at < value.length; at++) {
    const hex = value[at] === "%" ? /^[0-9a-fA-F]{2}/.exec(value.slice(at + 1, at + 3))?.[0] : undefined;
    if (hex === undefined) octets.push(...encoder.encode(value[at]));
    else {
      octets.push(Number.parseInt(hex, 16));
      at += 2;
    }
  }
  return decoder.decode(Uint8Array.from(octets));
}
