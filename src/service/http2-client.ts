/** A client of HTTP/2 over one connection that renews itself. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionRequestOptions,
  connect,
  type OutgoingHttpHeaders,
} from "node:http2";
import type { Peer } from "./peer.ts";
import { compilePeerRule } from "./peer-rule.ts";
import { plainUrlProblem } from "./plain-url.ts";
import { type ClientOptions, type RequestHeaders, withHeaders } from "./request-headers.ts";
import { ServiceError } from "./service-error.ts";
import type { ServiceIdentity } from "./service-identity.ts";

export class Http2Client {
  readonly #identity: ServiceIdentity;
  readonly #isAllowed: (peer: Peer) => boolean;
  readonly #origin: URL;
  readonly #headers: RequestHeaders | undefined;
  readonly #streams = new Set<ClientHttp2Stream>();
  #session: Promise<ClientHttp2Session> | undefined;
  #isClosed = false;

  /** `origin` as `https://orders:8443`. Throws a ServiceError with `SERVICE_PLAIN_URL` when it is not https. */
  constructor(identity: ServiceIdentity, origin: string | URL, { allow, headers }: ClientOptions) {
    this.#identity = identity;
    this.#isAllowed = compilePeerRule(allow);
    this.#headers = headers;
    this.#origin = new URL(origin);
    const problem = plainUrlProblem(this.#origin.protocol);
    if (problem !== undefined) throw problem;
  }

  /** Begins a request, on a new connection where there is none or where the SVID was renewed. Rejects with a ServiceError. */
  async request(given?: OutgoingHttpHeaders, options?: ClientSessionRequestOptions): Promise<ClientHttp2Stream> {
    const headers = this.#headers === undefined ? given : withHeaders(given, this.#headers());
    // A session can begin to close while it is waited for, by a renewal or by the server's goodbye.
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      if (this.#isClosed) throw new ServiceError("SERVICE_CLOSED", "the client is closed");
      this.#session ??= this.#open();
      const pending = this.#session;
      const session = await pending;
      if (!session.closed && !session.destroyed) return this.#begin(session, headers, options);
      if (this.#session === pending) this.#session = undefined;
    }
    throw new ServiceError("SERVICE_HANDSHAKE", `the server at \`${this.#origin.host}\` ends each connection at once`);
  }

  #begin(session: ClientHttp2Session, headers?: OutgoingHttpHeaders, options?: ClientSessionRequestOptions): ClientHttp2Stream {
    const stream = session.request(headers, options);
    this.#streams.add(stream);
    stream.once("close", () => this.#streams.delete(stream));
    return stream;
  }

  #open(): Promise<ClientHttp2Session> {
    const forget = (): void => {
      if (this.#session === opening) this.#session = undefined;
    };
    const opening = this.#connect(forget);
    void opening.catch(forget);
    return opening;
  }

  async #connect(forget: () => void): Promise<ClientHttp2Session> {
    const { hostname, port } = this.#origin;
    const target = { host: hostname.replace(/^\[(.*)\]$/, "$1"), port: Number(port || 443), alpnProtocols: ["h2"] };
    const connection = await this.#identity.connect(target, this.#isAllowed);
    // Node ends the streams of a lost connection as if their bodies were complete. This listener is asked before those of the session.
    connection.socket.once("close", () => {
      for (const stream of this.#streams) if (stream.session === session) stream.destroy(lost(this.#origin));
    });
    const session = connect(this.#origin, { createConnection: () => connection.socket });
    // Requests hear of an error; without a listener it would end the process when there is none.
    session.on("error", forget);
    session.once("close", forget);
    session.once("goaway", forget);
    connection.onDrain(() => {
      forget();
      session.close();
    });
    return session;
  }

  /** Requests under way finish. */
  close(): void {
    this.#isClosed = true;
    // Whoever waits for a session that fails hears of it.
    void this.#session?.then(
      (session) => session.close(),
      () => {},
    );
  }
}

const MAX_ATTEMPTS = 5;

const lost = ({ host }: URL): ServiceError =>
  new ServiceError("SERVICE_CONNECTION_LOST", `the connection to \`${host}\` ended before the answer`);
