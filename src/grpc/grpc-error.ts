/** How a call ends when it does not end well: a status with its message and details. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import { VigilError } from "../lib/error.ts";
import { StatusSchema } from "./generated/google/rpc/status_pb.ts";
import { GRPC_STATUS, type GrpcFailure } from "./status.ts";

/** `GRPC_` and the name of the status. */
export type GrpcErrorCode =
  | "GRPC_CANCELLED"
  | "GRPC_UNKNOWN"
  | "GRPC_INVALID_ARGUMENT"
  | "GRPC_DEADLINE_EXCEEDED"
  | "GRPC_NOT_FOUND"
  | "GRPC_ALREADY_EXISTS"
  | "GRPC_PERMISSION_DENIED"
  | "GRPC_RESOURCE_EXHAUSTED"
  | "GRPC_FAILED_PRECONDITION"
  | "GRPC_ABORTED"
  | "GRPC_OUT_OF_RANGE"
  | "GRPC_UNIMPLEMENTED"
  | "GRPC_INTERNAL"
  | "GRPC_UNAVAILABLE"
  | "GRPC_DATA_LOSS"
  | "GRPC_UNAUTHENTICATED";

export interface GrpcErrorOptions {
  readonly hint?: string;
  readonly cause?: unknown;
  /** Messages that the caller may understand, such as `google.rpc.RetryInfo`. */
  readonly details?: readonly Any[];
}

/**
 * A handler throws it to end its call with this status; its message, but neither hint nor cause, goes to the caller.
 * A client gets it when a call fails, at either end.
 */
export class GrpcError extends VigilError<GrpcErrorCode> {
  readonly status: GrpcFailure;
  readonly details: readonly Any[];

  constructor(status: GrpcFailure, message: string, options: GrpcErrorOptions = {}) {
    super(`GRPC_${status}`, message, options);
    this.name = "GrpcError";
    this.status = status;
    this.details = options.details ?? [];
  }
}

/** The value of the trailer `grpc-status-details-bin`; undefined when the error has no details. */
export function encodeStatusDetails({ status, message, details }: GrpcError): string | undefined {
  if (details.length === 0) return undefined;
  const encoded = toBinary(StatusSchema, create(StatusSchema, { code: GRPC_STATUS[status], message, details: [...details] }));
  return Buffer.from(encoded).toString("base64").replace(/=+$/, "");
}

/** The details of a trailer; none when it cannot be read: the status itself stands in another trailer. UNTRUSTED. */
export function decodeStatusDetails(value: string | undefined): readonly Any[] {
  if (value === undefined) return [];
  try {
    return fromBinary(StatusSchema, Buffer.from(value, "base64")).details;
  } catch {
    return [];
  }
}
