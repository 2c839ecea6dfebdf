/** Why a broker gets nothing for a workload that it refers to, as the specification words it (SPIFFE_Broker_API §4.8). */

import { create } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { ErrorInfoSchema } from "../../grpc/generated/google/rpc/error_details_pb.ts";
import { GrpcError } from "../../grpc/grpc-error.ts";
import type { GrpcFailure } from "../../grpc/status.ts";

export type ReferenceRefusal = "WORKLOAD_REFERENCE_INVALID" | "WORKLOAD_NOT_FOUND" | "WORKLOAD_NOT_ENTITLED";

const STATUS: { readonly [R in ReferenceRefusal]: GrpcFailure } = {
  WORKLOAD_REFERENCE_INVALID: "INVALID_ARGUMENT",
  WORKLOAD_NOT_FOUND: "NOT_FOUND",
  WORKLOAD_NOT_ENTITLED: "PERMISSION_DENIED",
};

/** The end of a call, with `google.rpc.ErrorInfo` in its details. */
export function referenceRefusal(
  reason: ReferenceRefusal,
  message: string,
  { pid, cause }: { readonly pid?: number; readonly cause?: unknown } = {},
): GrpcError {
  const metadata = pid === undefined ? {} : { pid: String(pid) };
  const detail = anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { reason, domain: "spiffe.io", metadata }));
  return new GrpcError(STATUS[reason], message, { details: [detail], cause });
}
