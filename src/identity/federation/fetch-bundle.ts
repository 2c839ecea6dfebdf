/** One fetch from a bundle endpoint, with either profile (SPIFFE_Federation §5.2). What the server sends is UNTRUSTED until it is proved. */
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { isIP } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { messageOf } from "../../lib/error.ts";
import { presentedChain } from "../../service/presented-chain.ts";
import { MAX_BUNDLE_BYTES, parseTrustBundle, type TrustBundle } from "../../spiffe/bundle.ts";
import type { BundleSource } from "../../spiffe/bundle-source.ts";
import { type FederationEndpoint, followRedirect, verifyFederationServer } from "../../spiffe/federation.ts";
import { federationError } from "./federation-error.ts";

export interface FetchOptions {
  /** The stored bundles: of an https_spiffe endpoint they prove the server. */
  readonly bundles: BundleSource;
  readonly nowMs: () => number;
  /** PEM: instead of the public authorities, for https_web. */
  readonly webAuthorities: string | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const MAX_REDIRECTS = 5;

/** Rejects with a `FederationErrorCode` or a `SpiffeError`. */
export async function fetchBundle(endpoint: FederationEndpoint, options: FetchOptions): Promise<TrustBundle> {
  let { url } = endpoint;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const answer = await get(url, endpoint, options);
    if (answer.kind === "body") {
      const bundle = parseTrustBundle(answer.body, endpoint.trustDomain);
      if (!bundle.ok) throw bundle.error;
      return bundle.value;
    }
    const target = followRedirect(url, answer.location);
    if (!target.ok) throw target.error;
    url = target.value;
  }
  throw federationError("FEDERATION_ANSWER", `expected at most ${MAX_REDIRECTS} redirects from \`${endpoint.url}\``);
}

type Answer = { readonly kind: "body"; readonly body: Uint8Array } | { readonly kind: "redirect"; readonly location: string };

async function get(url: string, endpoint: FederationEndpoint, options: FetchOptions): Promise<Answer> {
  const { signal, timeoutMs } = options;
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const { hostname, port, pathname, search } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  const socket = await dial(host, Number(port === "" ? 443 : port), endpoint, options, deadline);
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      // Without `agent`: any agent would make a connection of its own, to a server that has proved nothing.
      const sent = request({
        // Without `agent`: one, even `false`, would make a connection of its own, which has proved nothing.
        createConnection: () => socket,
        host: hostname,
        port,
        path: pathname + search,
        signal: deadline,
        headers: { accept: "application/json" },
      });
      sent.once("response", resolve).once("error", reject).end();
    });
    return await readAnswer(url, response);
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && String(thrown.code).startsWith("FEDERATION_")) throw thrown;
    throw unreachable(url, thrown);
  } finally {
    socket.destroy();
  }
}

/** A connection to a server that has proved what it is. */
async function dial(
  host: string,
  port: number,
  endpoint: FederationEndpoint,
  { bundles, nowMs, webAuthorities }: FetchOptions,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const isWeb = endpoint.profile === "https_web";
  const socket = connect({
    host,
    port,
    minVersion: "TLSv1.2",
    ALPNProtocols: ["http/1.1"],
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(isWeb ? (webAuthorities === undefined ? {} : { ca: webAuthorities }) : { ca: [], rejectUnauthorized: false }),
  });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("secureConnect", resolve).once("error", reject);
      signal.addEventListener("abort", () => socket.destroy(new Error("it did not answer in time")), { once: true });
    });
    if (endpoint.profile === "https_spiffe") {
      const proved = verifyFederationServer(endpoint, presentedChain(socket), bundles, { nowMs: nowMs() });
      if (!proved.ok)
        throw federationError("FEDERATION_SERVER", `the server of \`${endpoint.url}\` is not who it should be: ${proved.error.message}`, {
          ...(proved.error.hint === undefined ? {} : { hint: proved.error.hint }),
          cause: proved.error,
        });
    }
    return socket;
  } catch (thrown) {
    socket.destroy();
    if (thrown instanceof Error && "code" in thrown && String(thrown.code).startsWith("FEDERATION_")) throw thrown;
    throw unreachable(endpoint.url, thrown);
  }
}

async function readAnswer(url: string, response: IncomingMessage): Promise<Answer> {
  const { statusCode = 0, headers } = response;
  if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined) return { kind: "redirect", location: headers.location };
  if (statusCode !== 200) throw federationError("FEDERATION_ANSWER", `expected status 200 from \`${url}\`, got ${statusCode}`);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    bytes += chunk.length;
    if (bytes > MAX_BUNDLE_BYTES) throw federationError("FEDERATION_ANSWER", `expected at most ${MAX_BUNDLE_BYTES} bytes from \`${url}\``);
    chunks.push(chunk);
  }
  return { kind: "body", body: Buffer.concat(chunks) };
}

const unreachable = (url: string, thrown: unknown): Error =>
  federationError("FEDERATION_UNREACHABLE", `cannot fetch the bundle from \`${url}\`: ${messageOf(thrown)}`, { cause: thrown });
