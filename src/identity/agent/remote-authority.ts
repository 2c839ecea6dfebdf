/** The authority on another machine: over mutual TLS with the agent's own SVID, which it got by showing which node it is. */
import { GrpcChannel } from "../../grpc/channel.ts";
import { GrpcError } from "../../grpc/grpc-error.ts";
import { createServiceIdentity, type ServiceIdentity } from "../../service/service-identity.ts";
import { type SpiffeId, spiffeIdOf, type TrustDomain } from "../../spiffe/spiffe-id.ts";
import { Authority, type SyncResponse } from "../generated/vigil/authority/v1/authority_pb.ts";
import { AgentIdentity, type AgentIdentityNews } from "./agent-identity.ts";
import { AUTHORITY_CALL, type AuthorityClient, callOptions } from "./authority-client.ts";
import type { EvidencePaths } from "./node-evidence.ts";

export interface RemoteAuthorityOptions {
  readonly host: string;
  readonly port: number;
  readonly trustDomain: TrustDomain;
  readonly evidence: EvidencePaths;
  /** A file: what the authority is verified with at first. */
  readonly firstBundlePath: string;
  /** A file, in a directory of the agent's own: its identity, kept over restarts. */
  readonly keptPath: string;
  /** Must not throw. */
  readonly onNews: (news: AgentIdentityNews) => void;
  readonly clock?: () => number;
  readonly random?: () => number;
}

/** An agent that hears nothing learns within this time that the connection is dead. */
const KEEPALIVE = { intervalMs: 20_000, timeoutMs: 10_000 } as const;

/** One connection, until the agent has a newer SVID to present. */
interface Session {
  readonly channel: GrpcChannel;
  readonly superseded: AbortController;
}

class RemoteAuthority implements AuthorityClient {
  readonly address: string;
  readonly #options: RemoteAuthorityOptions;
  readonly #id: SpiffeId;
  readonly #own: AgentIdentity;
  readonly #tls: ServiceIdentity;
  #current: Session | undefined;

  constructor(options: RemoteAuthorityOptions, id: SpiffeId, own: AgentIdentity) {
    this.address = `${options.host}:${options.port}`;
    this.#options = options;
    this.#id = id;
    this.#own = own;
    this.#tls = createServiceIdentity({ source: own.store, ...(options.clock === undefined ? {} : { clock: options.clock }) });
    own.keepRenewed(this.renewAgentSvid);
  }

  async *sync(signal: AbortSignal): AsyncGenerator<SyncResponse, undefined, undefined> {
    for (;;) {
      const { channel, superseded } = await this.#session();
      const until = AbortSignal.any([signal, superseded.signal]);
      let held: SyncResponse[] = [];
      try {
        for await (const message of channel.serverStreaming(Authority.method.sync, {}, { signal: until })) {
          if (message.bundles !== undefined) this.#own.follow(message.bundles);
          held.push(message);
          if (message.continues) continue;
          // Only whole states: another connection begins with all of it again.
          yield* held;
          held = [];
        }
        if (!superseded.signal.aborted) return;
      } catch (thrown) {
        if (signal.aborted || !superseded.signal.aborted) throw this.#noticed(thrown);
      }
      if (signal.aborted) return;
    }
  }

  signX509Svids: AuthorityClient["signX509Svids"] = (request, trace) =>
    this.#call((channel) => channel.unary(Authority.method.signX509Svids, request, callOptions(trace)));

  signJwtSvid: AuthorityClient["signJwtSvid"] = (request, trace) =>
    this.#call((channel) => channel.unary(Authority.method.signJwtSvid, request, callOptions(trace)));

  signWitSvid: AuthorityClient["signWitSvid"] = (request, trace) =>
    this.#call((channel) => channel.unary(Authority.method.signWitSvid, request, callOptions(trace)));

  renewAgentSvid: AuthorityClient["renewAgentSvid"] = (publicKey) =>
    this.#call(async (channel) => (await channel.unary(Authority.method.renewAgentSvid, { publicKey }, AUTHORITY_CALL)).svid);

  async close(): Promise<void> {
    this.#tls.close();
    await this.#current?.channel.close({ cut: true });
    await this.#own.close();
  }

  async #call<T>(work: (channel: GrpcChannel) => Promise<T>): Promise<T> {
    const { channel } = await this.#session();
    try {
      return await work(channel);
    } catch (thrown) {
      throw this.#noticed(thrown);
    }
  }

  #noticed(thrown: unknown): unknown {
    if (thrown instanceof GrpcError && thrown.status === "UNAUTHENTICATED") this.#own.refuse();
    return thrown;
  }

  async #session(): Promise<Session> {
    await this.#own.ready();
    this.#current ??= this.#open();
    return this.#current;
  }

  #open(): Session {
    const { host, port } = this.#options;
    const connect = async (): Promise<Awaited<ReturnType<ServiceIdentity["connect"]>>["socket"]> => {
      await this.#own.readFirstBundle();
      const connection = await this.#tls.connect({ host, port, alpnProtocols: ["h2"] }, ({ id }) => id === this.#id);
      connection.onDrain(() => this.#supersede(session));
      return connection.socket;
    };
    const session: Session = {
      channel: new GrpcChannel({
        address: { kind: "socket", authority: this.address, isTls: true, connect },
        maxMessageBytes: AUTHORITY_CALL.maxMessageBytes,
        keepalive: KEEPALIVE,
      }),
      superseded: new AbortController(),
    };
    return session;
  }

  /** Calls under way finish on the old connection. */
  #supersede(session: Session): void {
    if (this.#current === session) this.#current = undefined;
    session.superseded.abort();
    void session.channel.close();
  }
}

/** Connects, and attests, with the first call. Throws when the trust domain is none. */
export async function openRemoteAuthority(options: RemoteAuthorityOptions): Promise<AuthorityClient> {
  const { host, port, trustDomain, evidence, firstBundlePath, keptPath, onNews, clock = Date.now, random = Math.random } = options;
  const id = spiffeIdOf(trustDomain, ["vigil", "authority"]);
  if (!id.ok) throw id.error;
  const place = { host, port, id: id.value };
  const own = await AgentIdentity.open({ trustDomain, place, evidence, firstBundlePath, keptPath, onNews, clock, random });
  return new RemoteAuthority(options, id.value, own);
}
