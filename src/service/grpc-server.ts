/** Servers with `@grpc/grpc-js`. The library is an argument: Vigil does not depend on it. */
import type { Duplex } from "node:stream";
import type { TLSSocket, Server as TlsServer } from "node:tls";
import { connectionOf } from "./connection.ts";
import type { Peer } from "./peer.ts";
import type { AllowOptions } from "./server-guard.ts";
import { createTlsServer } from "./servers.ts";
import type { ServiceIdentity } from "./service-identity.ts";

interface ConnectionInjector {
  injectConnection(connection: Duplex): void;
  drain(graceTimeMs: number): void;
  destroy(): void;
}

/** The part of `grpc.Server` that is needed. `K` are credentials. */
export interface GrpcServer<K> {
  createConnectionInjector(credentials: K): ConnectionInjector;
}

/** The part of `@grpc/grpc-js` that is needed: `import * as grpc from "@grpc/grpc-js"`. */
export interface GrpcServerLibrary<K> {
  readonly ServerCredentials: { createInsecure(): K };
}

/** The connection of a call, as it was verified here. */
export interface GrpcConnection {
  readonly peer: Peer;
  readonly remoteAddress: string | undefined;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
}

/** By the address that the library tells, which is one for each connection of this process: see `createGrpcListener`. */
const CONNECTIONS = new Map<string, GrpcConnection>();
let serial = 0;

/** The connection of a call; undefined when it did not come through a listener of ours, or has ended. */
export const grpcConnectionOf = (call: { getPeer(): string }): GrpcConnection | undefined => CONNECTIONS.get(call.getPeer());

export interface GrpcListener {
  /** `listen` and `close` it as any server. */
  readonly server: TlsServer;
  /** The verified peer of a call. Throws a TypeError when its connection has ended. */
  peerOf(call: { getPeer(): string }): Peer;
}

/**
 * Gives a gRPC server its connections: TLS ends here, so that a peer is verified before the library reads a byte. Do not `bind` the server
 * as well, unless other doors are wanted.
 */
export function createGrpcListener<K>(
  identity: ServiceIdentity,
  { ServerCredentials }: GrpcServerLibrary<K>,
  server: GrpcServer<K>,
  options: AllowOptions,
): GrpcListener {
  const inject = (socket: TLSSocket): void => {
    const connection = connectionOf(socket);
    if (connection === undefined || socket.alpnProtocol !== "h2") {
      socket.destroy();
      return;
    }
    // All that the library tells about the connection of a call is its address. Addresses are used again, and a call may outlive its
    // connection; so each connection gets one that is not.
    const { remoteAddress, localAddress, localPort } = socket;
    const address = `${remoteAddress ?? "unknown"}:${socket.remotePort ?? 0}#${++serial}`;
    Object.defineProperties(socket, { remoteAddress: { value: address }, remotePort: { value: undefined } });
    CONNECTIONS.set(address, { peer: connection.peer, remoteAddress, localAddress, localPort });
    // One for each connection: the library drains all connections of an injector together.
    const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
    socket.once("close", () => {
      CONNECTIONS.delete(address);
      injector.destroy();
    });
    // The connection is cut at its end anyway.
    connection.onDrain(() => injector.drain(Math.max(0, connection.endsAtMs - identity.nowMs)));
    injector.injectConnection(socket);
  };
  return {
    server: createTlsServer(identity, { ...options, alpnProtocols: ["h2"] }, inject),
    peerOf: (call) => {
      const connection = grpcConnectionOf(call);
      if (connection === undefined) throw new TypeError("the connection of the call was not verified here, or has ended");
      return connection.peer;
    },
  };
}
