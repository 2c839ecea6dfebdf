/** The published entry `@vigil-dev/vigil/node`: mutual TLS with the workload's SVID for servers and clients of Node.js. */
export type { Connection } from "./connection.ts";
export { createGrpcChannelFactory, type GrpcChannel, type GrpcClientLibrary } from "./grpc-client.ts";
export { createGrpcListener, type GrpcListener, type GrpcServer, type GrpcServerLibrary } from "./grpc-server.ts";
export { Http2Client } from "./http2-client.ts";
export { createHttpsAgent, type PoolOptions } from "./https-agent.ts";
export { type IdentityFilePaths, IdentityFiles, type IdentityFilesOptions, identityPathsIn, openIdentityFiles } from "./identity-files.ts";
export { type IdentityState, IdentityStore } from "./identity-store.ts";
export type { Peer } from "./peer.ts";
export { compilePeerRule, type PeerRule, parsePeerPattern } from "./peer-rule.ts";
export type { ClientOptions, RequestHeaders } from "./request-headers.ts";
export { type AllowOptions, GUARDED_TLS_OPTIONS, type GuardedTlsOptions, guardServer } from "./server-guard.ts";
export {
  createHttp2Server,
  createHttpsServer,
  createTlsServer,
  fastifyHttp2ServerFactory,
  fastifyServerFactory,
  type Http2RequestListener,
  type Http2ServerOptions,
  type HttpsServerOptions,
  type PeerCarrier,
  peerOf,
  type TlsServerOptions,
} from "./servers.ts";
export { ServiceError, type ServiceErrorCode } from "./service-error.ts";
export {
  type ConnectTarget,
  createServiceIdentity,
  type IdentitySource,
  ServiceIdentity,
  type ServiceIdentityOptions,
} from "./service-identity.ts";
export type { MinTlsVersion } from "./tls-context.ts";
export { createUndiciDispatcher, type DispatcherOptions, type UndiciAgent, type UndiciLibrary } from "./undici-dispatcher.ts";
export { openWorkloadIdentity, type WorkloadIdentityOptions } from "./workload-identity.ts";
