/**
 * The HTTPS endpoint of a trust domain: its bundle for those who federate (SPIFFE_Federation §5), and OpenID Connect discovery, so that
 * clouds and gateways accept its JWT-SVIDs.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { encodeJson, type JsonObject } from "../../lib/json.ts";
import { jsonOfJwtBundle, jsonOfTrustBundle, type TrustBundle } from "../../spiffe/bundle.ts";

/** How the endpoint proves what it is: PEM. */
export interface EndpointCertificate {
  readonly keyPem: string;
  readonly chainPem: string;
}

export interface BundleEndpointOptions {
  readonly host: string;
  readonly port: number;
  readonly certificate: EndpointCertificate;
  /** What is served, asked for each request. */
  readonly bundle: () => TrustBundle;
  /** Host names by which the discovery documents may be asked for; empty: they are not served. */
  readonly oidcHosts: readonly string[];
  /** `iss` of JWT-SVIDs, when it is not the host that was asked. */
  readonly issuer: string | undefined;
}

export interface BundleEndpoint {
  readonly host: string;
  readonly port: number;
  /** Connections from now on see another certificate. */
  use(certificate: EndpointCertificate): void;
  close(): Promise<void>;
}

const MAX_CONNECTIONS = 1024;
const MAX_HEADER_BYTES = 8 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;
const OIDC_MAX_AGE_SECONDS = 300;

/** Listens; rejects when it cannot. */
export async function serveBundle(options: BundleEndpointOptions): Promise<BundleEndpoint> {
  const server = createServer({
    ...contextOf(options.certificate),
    minVersion: "TLSv1.2",
    maxHeaderSize: MAX_HEADER_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    headersTimeout: REQUEST_TIMEOUT_MS,
    handshakeTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: REQUEST_TIMEOUT_MS,
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.on("request", (request, response) => send(response, answerTo(request, options)));
  // Broken handshakes and connections are their clients' business.
  server.on("tlsClientError", () => undefined);
  await listen(server, options);
  const { address, port } = server.address() as AddressInfo; // a TCP server that listens has one
  return {
    host: address,
    port,
    use: (certificate) => server.setSecureContext({ ...contextOf(certificate), minVersion: "TLSv1.2" }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const contextOf = ({ keyPem, chainPem }: EndpointCertificate): { readonly key: string; readonly cert: string } => ({
  key: keyPem,
  cert: chainPem,
});

const listen = (server: Server, { host, port }: BundleEndpointOptions): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      server.on("error", () => undefined);
      resolve();
    });
  });

interface Answer {
  readonly status: number;
  readonly body: JsonObject;
  readonly maxAgeSeconds?: number | undefined;
}

const refusal = (status: number, error: string): Answer => ({ status, body: { error } });

/** UNTRUSTED request. */
function answerTo({ method, url = "", headers }: IncomingMessage, options: BundleEndpointOptions): Answer {
  const path = url.split("?", 1)[0];
  if (method !== "GET" && method !== "HEAD") return refusal(405, "only GET is answered");
  if (path === "/") {
    const bundle = options.bundle();
    return { status: 200, body: jsonOfTrustBundle(bundle), maxAgeSeconds: bundle.refreshHintSeconds };
  }
  const host = hostOf(headers.host);
  const isDiscovery = path === "/.well-known/openid-configuration" || path === "/keys";
  if (!isDiscovery || options.oidcHosts.length === 0) return refusal(404, "there is nothing here");
  // The document would name whatever host a client made up.
  if (!options.oidcHosts.includes(host.name)) return refusal(400, "the host is not one of this server");
  const issuer = options.issuer ?? `https://${host.text}`;
  const body = path === "/keys" ? signingKeys(options.bundle()) : discovery(issuer, options.bundle());
  return { status: 200, body, maxAgeSeconds: OIDC_MAX_AGE_SECONDS };
}

const hostOf = (header: string | undefined): { readonly text: string; readonly name: string } => {
  const [, text = "", name = ""] = /^((\[[0-9a-f:]+\]|[A-Za-z0-9.-]+)(?::\d{1,5})?)$/.exec(header ?? "") ?? [];
  return { text: text.toLowerCase(), name: name.toLowerCase() };
};

/** OpenID Connect Discovery 1.0 §3, with what token verifiers read. */
function discovery(issuer: string, { jwtKeys }: TrustBundle): JsonObject {
  return {
    issuer,
    jwks_uri: `${issuer}/keys`,
    authorization_endpoint: "",
    response_types_supported: ["id_token"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: [...new Set([...jwtKeys.values()].flatMap(({ algorithm }) => algorithm ?? []))],
  };
}

/** Keys as OpenID Connect names their use: readers pass over `jwt-svid`. */
function signingKeys(bundle: TrustBundle): JsonObject {
  const { keys } = jsonOfJwtBundle(bundle);
  return { keys: (keys as readonly JsonObject[]).map((key) => ({ ...key, use: "sig" })) }; // the keys of our own document
}

function send(response: ServerResponse, { status, body, maxAgeSeconds }: Answer): void {
  response.writeHead(status, {
    "content-type": "application/json",
    "x-content-type-options": "nosniff",
    ...(maxAgeSeconds === undefined ? {} : { "cache-control": `max-age=${maxAgeSeconds}` }),
  });
  response.end(`${encodeJson(body)}\n`);
}
