/** Where the authority listens beside its unix socket: for agents elsewhere, and for those who fetch its bundle. */
import { type AddressInfo, isIP } from "node:net";
import { createServer, type TlsOptions } from "node:tls";
import type { GrpcServer } from "../../grpc/server.ts";
import type { Authority } from "../../identity/authority/authority.ts";
import { authorityError } from "../../identity/authority/authority-error.ts";
import { type BundleEndpoint, type EndpointCertificate, serveBundle } from "../../identity/federation/bundle-endpoint.ts";
import { messageOf } from "../../lib/error.ts";
import { secureContextOptions } from "../../service/tls-context.ts";
import { parseListenAddress } from "../listen-address.ts";
import type { Log } from "../log.ts";
import type { Settings } from "../settings.ts";
import { readSettingFile } from "./checked-settings.ts";
import { type OwnPath, ownSvid, pemOf } from "./own-svid.ts";

export interface ListenerParts {
  readonly authority: Authority;
  readonly settings: Settings;
  readonly log: Log;
  readonly signal: AbortSignal;
}

const HANDSHAKE_TIMEOUT_MS = 10_000;
const FILES_CHECKED_EVERY_MS = 60_000;

/** Serves agents over TLS. Resolves with the address, or undefined when none is configured. */
export const listenForAgents = (server: GrpcServer, parts: ListenerParts): Promise<string | undefined> =>
  listenWithSvid(server, parts, { setting: "identity.agentListen", path: ["vigil", "authority"] });

/** Serves authorities below. They look for the identity that a SPIRE server has, so the listener shows that one. */
export const listenForDownstream = (server: GrpcServer, parts: ListenerParts): Promise<string | undefined> =>
  listenWithSvid(server, parts, { setting: "identity.downstreamListen", path: ["spire", "server"] });

async function listenWithSvid(
  server: GrpcServer,
  { settings, authority, log, signal }: ListenerParts,
  { setting, path }: { readonly setting: "identity.agentListen" | "identity.downstreamListen"; readonly path: OwnPath },
): Promise<string | undefined> {
  const address = settings[setting];
  if (address === undefined) return undefined;
  const { host, port } = parseListenAddress(address);
  const options = (svid: Parameters<typeof pemOf>[0]): TlsOptions => ({ ...secureContextOptions(svid, "TLSv1.3") });
  const first = await ownSvid({ authority, path, dnsNames: namesOf(host), log, signal }, (svid) =>
    listener.setSecureContext(options(svid)),
  );
  // What is presented is verified by the services, against the bundle of its own trust domain.
  const listener = createServer({
    ...options(first),
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: ["h2"],
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  });
  server.attach(listener);
  await new Promise<void>((resolve, reject) => {
    listener.once("error", (error) => reject(cannotListen(address, error)));
    listener.listen({ host, port }, () => resolve());
  });
  // A server that listens on a port has an address of this kind.
  return `${host}:${(listener.address() as AddressInfo).port}`;
}

/** Serves the bundle. Resolves with the endpoint, or undefined when none is configured. */
export async function listenForBundles(parts: ListenerParts): Promise<BundleEndpoint | undefined> {
  const { settings, authority, log, signal } = parts;
  const address = settings["identity.bundleListen"];
  if (address === undefined) return undefined;
  const { host, port } = parseListenAddress(address);
  let endpoint: BundleEndpoint | undefined;
  const certificate = await endpointCertificate(parts, host, (next) => endpoint?.use(next));
  const { "identity.oidcHosts": hosts, "identity.issuer": issuer } = settings;
  try {
    endpoint = await serveBundle({
      host,
      port,
      certificate,
      bundle: () => {
        const { bundle } = authority.authorities;
        return settings["identity.witKeys"] === "omit" ? { ...bundle, witKeys: new Map() } : bundle;
      },
      oidcHosts: hosts.map((name) => name.toLowerCase()),
      issuer,
    });
  } catch (thrown) {
    throw cannotListen(address, thrown);
  }
  signal.addEventListener("abort", () => void endpoint?.close());
  log("info", "the bundle is served", { address: `${endpoint.host}:${endpoint.port}` });
  return endpoint;
}

async function endpointCertificate(
  { settings, authority, log, signal }: ListenerParts,
  host: string,
  use: (certificate: EndpointCertificate) => void,
): Promise<EndpointCertificate> {
  const read = async (): Promise<EndpointCertificate | undefined> => {
    const chainPem = await readSettingFile(settings, "identity.bundleCertificate");
    const keyPem = await readSettingFile(settings, "identity.bundleKey");
    return chainPem === undefined || keyPem === undefined ? undefined : { chainPem, keyPem };
  };
  const first = await read();
  if (first === undefined) {
    const own = { authority, path: ["vigil", "bundle-endpoint"] as const, dnsNames: namesOf(host), log, signal };
    return pemOf(await ownSvid(own, (svid) => use(pemOf(svid))));
  }
  let current = first;
  const follow = async (): Promise<void> => {
    try {
      const next = await read();
      if (next === undefined || (next.chainPem === current.chainPem && next.keyPem === current.keyPem)) return;
      use(next);
      current = next;
    } catch (thrown) {
      log("error", `the certificate of the bundle endpoint cannot be used: ${messageOf(thrown)}; the present one stays`);
    }
  };
  const timer = setInterval(() => void follow(), FILES_CHECKED_EVERY_MS).unref();
  signal.addEventListener("abort", () => clearInterval(timer));
  return current;
}

const namesOf = (host: string): readonly string[] => (isIP(host) === 0 ? [host.toLowerCase()] : []);

const cannotListen = (address: string, thrown: unknown): Error =>
  authorityError("AUTHORITY_LISTEN", `the authority cannot listen on \`${address}\`: ${messageOf(thrown)}`, {
    hint: "stop what listens there, or choose another address",
    cause: thrown,
  });
