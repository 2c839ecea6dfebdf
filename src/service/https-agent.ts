/** Clients with `https`, and all that take an `https.Agent`. */
import type { ClientRequest, ClientRequestArgs } from "node:http";
import { Agent, type AgentOptions } from "node:https";
import type { Duplex } from "node:stream";
import { connectionOf } from "./connection.ts";
import type { Peer } from "./peer.ts";
import { compilePeerRule } from "./peer-rule.ts";
import type { ClientOptions, RequestHeaders } from "./request-headers.ts";
import type { ServiceIdentity } from "./service-identity.ts";

/** Options of `https.Agent` that are not about certificates; those of requests about certificates have no effect. */
export type PoolOptions = Pick<
  AgentOptions,
  "keepAliveMsecs" | "maxSockets" | "maxTotalSockets" | "maxFreeSockets" | "scheduling" | "timeout"
>;

const ADD_REQUEST: unknown = Reflect.get(Agent.prototype, "addRequest");

class MutualTlsAgent extends Agent {
  readonly #identity: ServiceIdentity;
  readonly #isAllowed: (peer: Peer) => boolean;
  readonly #headers: RequestHeaders | undefined;

  constructor(identity: ServiceIdentity, { allow, headers, ...pool }: ClientOptions & PoolOptions) {
    // No session is kept: each connection proves itself.
    super({ ...pool, keepAlive: true, maxCachedSessions: 0 });
    this.#identity = identity;
    this.#isAllowed = compilePeerRule(allow);
    this.#headers = headers;
  }

  /** Of the class above, which is called with each request before it is written; missing in the types. */
  addRequest(request: ClientRequest, options: unknown, ...further: unknown[]): void {
    try {
      for (const [name, value] of Object.entries(this.#headers?.() ?? {})) request.setHeader(name, value);
    } catch (thrown) {
      // The headers are written already when they were given as a list: such a request cannot carry them, and is not sent without.
      request.destroy(thrown as Error);
    }
    (ADD_REQUEST as (...args: unknown[]) => void).call(this, request, options, ...further);
  }

  override createConnection(options: ClientRequestArgs, callback?: (error: Error | null, stream: Duplex) => void): undefined {
    void this.#connect(options).then(
      (socket) => callback?.(null, socket),
      // The agent looks at the error alone when there is one.
      (error: Error) => (callback as ((error: Error) => void) | undefined)?.(error),
    );
    return undefined;
  }

  async #connect(options: ClientRequestArgs & { readonly servername?: string }): Promise<Duplex> {
    const { host, port, socketPath, servername, localAddress } = options;
    const connection = await this.#identity.connect(
      {
        ...(typeof host === "string" ? { host } : {}),
        port: Number(port ?? 443),
        ...(typeof socketPath === "string" ? { socketPath } : {}),
        ...(servername === undefined || servername === "" ? {} : { servername }),
        ...(localAddress === undefined ? {} : { localAddress }),
        alpnProtocols: ["http/1.1"],
      },
      this.#isAllowed,
    );
    const { socket } = connection;
    // One that waits for its next request ends now; one that serves a request is not kept after it.
    connection.onDrain(() => {
      if (Object.values(this.freeSockets).some((free) => free?.includes(socket))) socket.destroy();
    });
    return socket;
  }

  override keepSocketAlive(socket: Duplex): boolean {
    // Of the class below: `keepAlive` and the limits of the pool.
    const isKept: unknown = super.keepSocketAlive(socket);
    return isKept === true && connectionOf(socket)?.isDraining === false;
  }
}

/** An agent that presents the SVID of the moment, talks to allowed peers alone, and renews its pool with each SVID. */
export const createHttpsAgent = (identity: ServiceIdentity, options: ClientOptions & PoolOptions): Agent =>
  new MutualTlsAgent(identity, options);
