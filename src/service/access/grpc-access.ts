/** The gate in front of servers with `@grpc/grpc-js`. The library is an argument: Vigil does not depend on it. */
import { grpcConnectionOf } from "../grpc-server.ts";
import type { AccessGate, InboundCall } from "./access-gate.ts";
import { type AuthorizationContext, runAuthorized } from "./authorization-context.ts";
import type { Refusal } from "./refusal.ts";
import { isStripped } from "./request-facts.ts";
import { socketAddress } from "./socket-address.ts";

/** The part of `grpc.Metadata` that is needed. */
interface GrpcMetadata {
  toHttp2Headers(): { readonly [name: string]: number | string | readonly string[] | undefined };
  remove(name: string): void;
}

interface GrpcMethod {
  /** As `/shop.Payments/Refund`. */
  readonly path: string;
}

interface GrpcServerCall {
  getPeer(): string;
  getHost(): string;
  sendStatus(status: { readonly code: number; readonly details: string }): void;
}

interface GrpcListener<M> {
  onReceiveMetadata(metadata: M, next: (metadata: M) => void): void;
  onReceiveMessage(message: unknown, next: (message: unknown) => void): void;
  onReceiveHalfClose(next: () => void): void;
}

interface GrpcResponder<M> {
  start(next: (listener: GrpcListener<M>) => void): void;
}

/** The part of `@grpc/grpc-js` that is needed: `import * as grpc from "@grpc/grpc-js"`. `C` are calls, `I` those that intercept them, `M` metadata. */
export interface GrpcInterceptionLibrary<C, I, M> {
  readonly ServerInterceptingCall: new (call: C, responder: GrpcResponder<M>) => I;
}

/** https://grpc.github.io/grpc/core/md_doc_statuscodes.html: INVALID_ARGUMENT, UNAUTHENTICATED, PERMISSION_DENIED. */
const STATUS: { readonly [S in Refusal["status"]]: { readonly code: number; readonly details: string } } = {
  400: { code: 3, details: "bad request" },
  401: { code: 16, details: "unauthenticated" },
  403: { code: 7, details: "permission denied" },
};

/**
 * An interceptor for `new grpc.Server({ interceptors: [grpcAccess(gate, grpc)] })`, the first of them: all methods are behind the gate. To
 * policies a call is a POST to `/package.Service/Method` with its metadata as headers. Streams are judged when they begin, and end with
 * their connection when trust in the peer ends. Of a method that the server does not have the library says UNIMPLEMENTED by itself.
 * Peers are known of connections that come through `createGrpcListener`; others have none.
 */
export function grpcAccess<C extends GrpcServerCall, I, M extends GrpcMetadata>(
  gate: AccessGate,
  { ServerInterceptingCall }: GrpcInterceptionLibrary<C, I, M>,
): (method: GrpcMethod, call: C) => I {
  return ({ path }, call) => {
    let context: AuthorizationContext | undefined;
    const inContext = (work: () => void): void => {
      if (context !== undefined) runAuthorized(context, work);
    };
    const listener: GrpcListener<M> = {
      onReceiveMetadata: (metadata, next) => {
        void gate.judge(inboundOf(path, call, metadata)).then((judgement) => {
          if (!judgement.ok) return call.sendStatus(STATUS[judgement.error]);
          for (const name of Object.keys(metadata.toHttp2Headers())) if (isStripped(name)) metadata.remove(name);
          context = judgement.value.context;
          inContext(() => next(metadata));
        });
      },
      // The library calls the handler from any of them, and holds messages back until the metadata have passed.
      onReceiveMessage: (message, next) => inContext(() => next(message)),
      onReceiveHalfClose: (next) => inContext(next),
    };
    return new ServerInterceptingCall(call, { start: (next) => next(listener) });
  };
}

function inboundOf(path: string, call: GrpcServerCall, metadata: GrpcMetadata): InboundCall {
  const connection = grpcConnectionOf(call);
  const rawHeaders = Object.entries(metadata.toHttp2Headers()).flatMap(([name, value]) =>
    [value].flat().flatMap((each) => (each === undefined ? [] : [name, String(each)])),
  );
  return {
    raw: { method: "POST", target: path, rawHeaders: [":authority", call.getHost(), ...rawHeaders] },
    peer: connection?.peer,
    sourceAddress: socketAddress(connection?.remoteAddress),
    destinationAddress: socketAddress(connection?.localAddress),
    port: connection?.localPort ?? 0,
  };
}
