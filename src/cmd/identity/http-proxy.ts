/**
 * Requests of verified peers become plain HTTP/1.1 requests that say who asks: `x-spiffe-id`, and `x-forwarded-client-cert` as Envoy
 * writes it. Copies of these that a peer sends are removed, so that the service behind may trust them.
 */
import { createHash } from "node:crypto";
import {
  Agent,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as requestHttp,
  type ServerResponse,
} from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { pipeline } from "node:stream";
import type { Peer } from "../../service/index.ts";
import type { SpiffeId } from "../../spiffe/spiffe-id.ts";

export const ID_HEADER = "x-spiffe-id";
export const CERTIFICATE_HEADER = "x-forwarded-client-cert";

/** Of one connection and not of the message (RFC 9110 §7.6.1); `host` is written anew. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
]);
const OURS: ReadonlySet<string> = new Set([ID_HEADER, CERTIFICATE_HEADER]);

export type AnyRequest = IncomingMessage | Http2ServerRequest;
export type AnyResponse = ServerResponse | Http2ServerResponse;

export interface HttpUpstream {
  readonly host: string;
  readonly port: number;
  /** For the beginning of an answer, and between two pieces of it. */
  readonly timeoutMs: number;
}

/** Forwards requests. The connections to the service are kept and used again; `close` them at the end. */
export class HttpForwarder {
  readonly #upstream: HttpUpstream;
  readonly #agent: Agent;
  readonly #onError: (error: Error) => void;

  constructor(upstream: HttpUpstream, onError: (error: Error) => void) {
    this.#upstream = upstream;
    this.#agent = new Agent({ keepAlive: true });
    this.#onError = onError;
  }

  forward(incoming: AnyRequest, response: AnyResponse, { peer, self }: { readonly peer: Peer; readonly self: SpiffeId | undefined }): void {
    const { host, port, timeoutMs } = this.#upstream;
    let outgoing: ClientRequest;
    try {
      outgoing = requestHttp({
        host,
        port,
        method: incoming.method ?? "GET",
        path: incoming.url ?? "/",
        headers: forwardedHeaders(incoming, { peer, self }),
        agent: this.#agent,
        timeout: timeoutMs,
      });
    } catch {
      // What HTTP/2 carries and HTTP/1.1 cannot: characters in the path, the method or a header.
      refuse(response, 400);
      return;
    }
    outgoing.on("timeout", () => outgoing.destroy(new Error(`no answer from \`${host}:${port}\` within ${timeoutMs} ms`)));
    outgoing.on("error", (error) => {
      incoming.unpipe(outgoing);
      // What is left of the body goes nowhere: without this the answer would wait for it.
      incoming.resume();
      if (response.destroyed) return;
      this.#onError(error);
      if (response.headersSent) response.destroy();
      else refuse(response, 502);
    });
    outgoing.once("response", (answer) => this.#answer(answer, response));
    incoming.on("error", () => outgoing.destroy());
    // The peer has gone: nobody waits for the answer. Node ends the body of a stream that is cut as if it were complete, but says this before.
    response.once("close", () => outgoing.destroy());
    incoming.pipe(outgoing);
  }

  #answer(answer: IncomingMessage, response: AnyResponse): void {
    const { statusCode = 502 } = answer;
    response.statusCode = statusCode;
    for (const [name, value] of Object.entries(withoutHopByHop(answer.headers))) if (value !== undefined) response.setHeader(name, value);
    pipeline(answer, response as ServerResponse, (error) => {
      if (error) response.destroy();
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Ends a request without the service. */
export function refuse(response: AnyResponse, status: number): void {
  response.statusCode = status;
  response.setHeader("content-length", 0);
  response.end();
}

type Headers = { [name: string]: string | string[] | undefined };

/** What the service behind sees. */
export function forwardedHeaders(
  incoming: AnyRequest,
  { peer, self }: { readonly peer: Peer; readonly self: SpiffeId | undefined },
): Headers {
  const headers = withoutHopByHop(incoming.headers);
  for (const name of Object.keys(headers)) if (isOurs(name) || name.startsWith(":")) delete headers[name];
  const authority = incoming.headers[":authority"] ?? incoming.headers.host;
  if (authority !== undefined) headers["host"] = authority;
  // A length is passed on; a body without one is sent in chunks. Left to itself, Node would send the body of a GET without any frame.
  if (headers["content-length"] === undefined && hasBody(incoming)) headers["transfer-encoding"] = "chunked";
  headers[ID_HEADER] = peer.id;
  headers[CERTIFICATE_HEADER] = certificateHeader(peer, self);
  return headers;
}

/** Servers behind may read `_` as `-`. */
const isOurs = (name: string): boolean => OURS.has(name.toLowerCase().replaceAll("_", "-"));

function withoutHopByHop(headers: IncomingHttpHeaders): Headers {
  const named = (headers.connection ?? "").split(",").map((name) => name.trim().toLowerCase());
  const kept = Object.entries(headers).filter(([name]) => !HOP_BY_HOP.has(name) && !named.includes(name));
  return Object.fromEntries(kept);
}

const hasBody = (incoming: AnyRequest): boolean =>
  "stream" in incoming ? !incoming.stream.endAfterHeaders : incoming.headers["transfer-encoding"] !== undefined;

/** One element, as Envoy writes it: SPIFFE IDs have none of the characters that would need quotes. */
function certificateHeader({ id, certificates }: Peer, self: SpiffeId | undefined): string {
  const [leaf] = certificates;
  const hash = leaf === undefined ? [] : [`Hash=${createHash("sha256").update(leaf.der).digest("hex")}`];
  return [...(self === undefined ? [] : [`By=${self}`]), ...hash, `URI=${id}`].join(";");
}
