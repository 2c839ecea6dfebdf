/**
 * The published entry `@vigil-dev/vigil/spiffe/workload-api`: identities and bundles from a local agent, Vigil's or SPIRE's. It connects to a
 * socket and needs a protobuf library; `@vigil-dev/vigil/spiffe`, which verifies, does neither, and so the two are apart.
 */
export { type Pacing, systemPacing } from "../../grpc/back-off.ts";
export { GrpcError, type GrpcErrorCode } from "../../grpc/grpc-error.ts";
export {
  type FetchedJwtSvid,
  type JwtSvidRequest,
  WorkloadApiClient,
  type WorkloadApiProblem,
} from "./client.ts";
export { type WorkloadJwtOptions, WorkloadJwtSource } from "./jwt-source.ts";
export type { SourceOptions } from "./source.ts";
export { WorkloadTrustSource } from "./trust-source.ts";
export { WorkloadWitSource } from "./wit-source.ts";
export type { FetchedWitSvid } from "./wit-update.ts";
export { type WorkloadX509Options, WorkloadX509Source } from "./x509-source.ts";
