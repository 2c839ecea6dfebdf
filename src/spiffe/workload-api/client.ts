/** The calls of the Workload API, each made once (SPIFFE_Workload_API): whoever wants to be kept up to date uses a source. */
import type { MessageShape } from "@bufbuild/protobuf";
import { type CallOptions, GrpcChannel } from "../../grpc/channel.ts";
import type { GrpcError } from "../../grpc/grpc-error.ts";
import { ok, type Result } from "../../lib/result.ts";
import type { EndpointAddress } from "../endpoint-address.ts";
import {
  type JWTBundlesResponseSchema,
  SpiffeWorkloadAPI,
  type WITBundlesResponseSchema,
  type WITSVIDResponseSchema,
  type X509BundlesResponseSchema,
  type X509SVIDResponseSchema,
} from "../generated/spiffe/workload_pb.ts";
import { type JwtSvid, parseUnverifiedJwtSvid } from "../jwt-svid.ts";
import { refuse, type SpiffeError, shown } from "../spiffe-error.ts";
import { parseSpiffeId, type SpiffeId } from "../spiffe-id.ts";

const API = SpiffeWorkloadAPI.method;
/** Proves that no browser was tricked into calling (SPIFFE_Workload_Endpoint §3). */
const SECURITY_HEADER = { "workload.spiffe.io": "true" } as const;
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
/** More identities than any workload has. */
export const MAX_SVIDS = 1024;

/** A JWT-SVID as the agent gave it. */
export interface FetchedJwtSvid extends JwtSvid {
  /** What the operator says that the identity is for; empty when nothing. */
  readonly hint: string;
}

export interface JwtSvidRequest {
  /** At least one; one is best (JWT-SVID §3.2). */
  readonly audiences: readonly string[];
  /** All that the workload has when absent. */
  readonly id?: SpiffeId;
}

type Stream<D> = AsyncIterableIterator<D, undefined>;

/**
 * One connection to a Workload API. Its methods reject, and its streams throw, a `GrpcError`: INVALID_ARGUMENT when the request is wrong,
 * PERMISSION_DENIED when there is no identity for this process, UNAVAILABLE when there is no agent.
 */
export class WorkloadApiClient {
  /** The connection, for what an agent serves beside the Workload API. */
  readonly channel: GrpcChannel;

  /** Does not connect before the first call. */
  constructor(address: EndpointAddress) {
    this.channel = new GrpcChannel({ address, metadata: SECURITY_HEADER, maxMessageBytes: MAX_MESSAGE_BYTES });
  }

  /** X.509-SVIDs, keys and bundles; all of them again whenever one changes. */
  x509Svids(options: CallOptions = {}): Stream<MessageShape<typeof X509SVIDResponseSchema>> {
    return this.channel.serverStreaming(API.fetchX509SVID, {}, options);
  }

  x509Bundles(options: CallOptions = {}): Stream<MessageShape<typeof X509BundlesResponseSchema>> {
    return this.channel.serverStreaming(API.fetchX509Bundles, {}, options);
  }

  jwtBundles(options: CallOptions = {}): Stream<MessageShape<typeof JWTBundlesResponseSchema>> {
    return this.channel.serverStreaming(API.fetchJWTBundles, {}, options);
  }

  witSvids(options: CallOptions & { readonly id?: SpiffeId } = {}): Stream<MessageShape<typeof WITSVIDResponseSchema>> {
    return this.channel.serverStreaming(API.fetchWITSVID, { spiffeId: options.id ?? "" }, options);
  }

  witBundles(options: CallOptions = {}): Stream<MessageShape<typeof WITBundlesResponseSchema>> {
    return this.channel.serverStreaming(API.fetchWITBundles, {}, options);
  }

  /** Tokens for the audiences, the default identity first; an error when the agent's answer is not as it should be. */
  async fetchJwtSvids(
    { audiences, id }: JwtSvidRequest,
    options: CallOptions & { readonly nowMs: number },
  ): Promise<Result<readonly [FetchedJwtSvid, ...FetchedJwtSvid[]], SpiffeError>> {
    const { svids } = await this.channel.unary(API.fetchJWTSVID, { audience: [...audiences], spiffeId: id ?? "" }, options);
    const fetched: FetchedJwtSvid[] = [];
    for (const { spiffeId, svid: token, hint } of svids.slice(0, MAX_SVIDS)) {
      if (spiffeId === "" || token === "") return refuse("workload-api-mandatory", "a JWT-SVID came without its ID or its token");
      const svid = parseUnverifiedJwtSvid(token, options);
      if (!svid.ok) return svid;
      if (svid.value.id !== spiffeId)
        return refuse("workload-api-id", `the token is of ${shown(svid.value.id)}, not of ${shown(spiffeId)}`);
      fetched.push({ ...svid.value, hint });
    }
    const [first, ...rest] = withDistinctHints(fetched);
    return first === undefined ? refuse("workload-api-mandatory", "expected a JWT-SVID, got none") : ok([first, ...rest]);
  }

  /** The identity that a token proves to `audience`, as the agent sees it. A token that proves nothing rejects with INVALID_ARGUMENT. */
  async validateJwtSvid(
    audience: string,
    token: string,
    options: CallOptions = {},
  ): Promise<Result<{ readonly id: SpiffeId; readonly claims: object }, SpiffeError>> {
    const { spiffeId, claims } = await this.channel.unary(API.validateJWTSVID, { audience, svid: token }, options);
    const id = parseSpiffeId(spiffeId);
    return id.ok ? ok({ id: id.value, claims: claims ?? {} }) : id;
  }

  /** Ends the connection and every call on it. */
  close(): Promise<void> {
    return this.channel.close({ cut: true });
  }
}

/** Of several with the same hint only the first counts (SPIFFE_Workload_API §5.2.1). */
export function withDistinctHints<T extends { readonly hint: string }>(svids: readonly T[]): readonly T[] {
  const hints = new Set<string>();
  return svids.filter(({ hint }) => {
    if (hint === "") return true;
    if (hints.has(hint)) return false;
    hints.add(hint);
    return true;
  });
}

/** What goes wrong between a client and its agent: the call, or what the answer holds. */
export type WorkloadApiProblem = GrpcError | SpiffeError;
