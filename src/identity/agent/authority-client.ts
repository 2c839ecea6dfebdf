/** The authority as the agent calls it. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type CallOptions, GrpcChannel } from "../../grpc/channel.ts";
import { formatTraceparent, TRACEPARENT, type TraceContext } from "../../lib/trace-context.ts";
import {
  Authority,
  type SignJwtSvidRequestSchema,
  type SignJwtSvidResponse,
  type SignWitSvidRequestSchema,
  type SignWitSvidResponse,
  type SignX509SvidsRequestSchema,
  type SignX509SvidsResponse,
  type SyncResponse,
  type X509Svid,
} from "../generated/vigil/authority/v1/authority_pb.ts";

/** Every call rejects with a `GrpcError` when the authority cannot be asked or refuses. */
export interface AuthorityClient {
  /** For people: where it is. */
  readonly address: string;
  /** The full state, then changes, until the connection ends or the signal aborts. */
  sync(signal: AbortSignal): AsyncIterable<SyncResponse>;
  signX509Svids(request: MessageInitShape<typeof SignX509SvidsRequestSchema>, trace?: TraceContext): Promise<SignX509SvidsResponse>;
  signJwtSvid(request: MessageInitShape<typeof SignJwtSvidRequestSchema>, trace?: TraceContext): Promise<SignJwtSvidResponse>;
  signWitSvid(request: MessageInitShape<typeof SignWitSvidRequestSchema>, trace?: TraceContext): Promise<SignWitSvidResponse>;
  /** Another SVID for the agent itself, of this key (SubjectPublicKeyInfo, DER). */
  renewAgentSvid(publicKeyInfo: Uint8Array): Promise<X509Svid | undefined>;
  close(): Promise<void>;
}

/** Of any call. */
export const AUTHORITY_CALL: { readonly timeoutMs: number; readonly maxMessageBytes: number } = {
  timeoutMs: 10_000,
  /** The full state of 100,000 entries. */
  maxMessageBytes: 128 * 1024 * 1024,
};

/** Of a call that belongs to a trace, or to none. */
export const callOptions = (trace: TraceContext | undefined): CallOptions => ({
  timeoutMs: AUTHORITY_CALL.timeoutMs,
  ...(trace === undefined ? {} : { metadata: { [TRACEPARENT]: formatTraceparent(trace) } }),
});

/** The authority on the same machine, behind its unix socket. */
export function localAuthority(path: string): AuthorityClient {
  const channel = new GrpcChannel({ address: { kind: "unix", path }, maxMessageBytes: AUTHORITY_CALL.maxMessageBytes });
  return {
    address: `unix:${path}`,
    sync: (signal) => channel.serverStreaming(Authority.method.sync, {}, { signal }),
    signX509Svids: (request, trace) => channel.unary(Authority.method.signX509Svids, request, callOptions(trace)),
    signJwtSvid: (request, trace) => channel.unary(Authority.method.signJwtSvid, request, callOptions(trace)),
    signWitSvid: (request, trace) => channel.unary(Authority.method.signWitSvid, request, callOptions(trace)),
    renewAgentSvid: async (publicKey) => (await channel.unary(Authority.method.renewAgentSvid, { publicKey }, AUTHORITY_CALL)).svid,
    close: () => channel.close({ cut: true }),
  };
}
