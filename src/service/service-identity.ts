/**
 * The identity of this process in TLS: presents its SVID, verifies peers before a byte of theirs is read or written, and keeps watch
 * over the connections that live. Servers and clients of every library stand on it.
 */
import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import { connect, type SecureContextOptions, type TLSSocket } from "node:tls";
import { messageOf } from "../lib/error.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { BundleSource, ChangeNotice, RevocationSource, X509Source } from "../spiffe/bundle-source.ts";
import { trustDomainOf } from "../spiffe/spiffe-id.ts";
import { isSame } from "../spiffe/x509-certificate.ts";
import type { VerifiedX509Svid, X509Svid } from "../spiffe/x509-svid.ts";
import { Connection, markConnection } from "./connection.ts";
import { LiveConnections } from "./live-connections.ts";
import type { Peer } from "./peer.ts";
import { presentedChain } from "./presented-chain.ts";
import { ServiceError } from "./service-error.ts";
import { type MinTlsVersion, SecureContexts, secureContextOptions } from "./tls-context.ts";
import { VerifiedChains } from "./verified-chains.ts";

/** One's own identity and the bundles that peers are verified with. With `onChange` changes count at once, else within a second. */
export type IdentitySource = X509Source & BundleSource & Partial<ChangeNotice>;

export interface ServiceIdentityOptions {
  readonly source: IdentitySource;
  readonly revocations?: RevocationSource;
  /** `TLSv1.3` unless older peers are to be served. */
  readonly minVersion?: MinTlsVersion;
  /** Of servers: why somebody was turned away. Must not throw. */
  readonly onRefusal?: (error: ServiceError) => void;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
}

export interface ConnectTarget {
  readonly host?: string;
  readonly port?: number;
  /** A unix socket instead of host and port. */
  readonly socketPath?: string;
  /** A connection that there is already, instead of any of them. */
  readonly socket?: Duplex;
  /** For servers that choose by it; peers are not authorised by it. `host` unless given. */
  readonly servername?: string;
  readonly alpnProtocols?: readonly string[];
  /** The server may end its half and still read. */
  readonly allowHalfOpen?: boolean;
  /** Address of this machine to connect from. */
  readonly localAddress?: string;
  /** For the connection and its handshake together. */
  readonly timeoutMs?: number;
}

export const HANDSHAKE_TIMEOUT_MS = 10_000;

export class ServiceIdentity {
  readonly minVersion: MinTlsVersion;
  readonly #source: IdentitySource;
  readonly #revocations: RevocationSource | undefined;
  readonly #contexts: SecureContexts;
  readonly #chains: VerifiedChains;
  readonly #live: LiveConnections;
  readonly #clock: () => number;
  readonly #onRefusal: (error: ServiceError) => void;
  readonly #ends: readonly (() => void)[];
  #isClosed = false;
  /** What the source gave last, and the same identity as it was first given. */
  #given: X509Svid | undefined;
  #held: X509Svid | undefined;

  constructor({ source, revocations, minVersion = "TLSv1.3", onRefusal = () => {}, clock = Date.now }: ServiceIdentityOptions) {
    this.minVersion = minVersion;
    this.#source = source;
    this.#revocations = revocations;
    this.#contexts = new SecureContexts(minVersion);
    this.#chains = new VerifiedChains(source);
    this.#clock = clock;
    this.#onRefusal = onRefusal;
    this.#live = new LiveConnections({
      clock,
      currentSvid: () => this.#currentSvid(),
      isTrusted: (connection) => this.#isTrusted(connection),
    });
    const recheck = (): void => this.#live.recheck();
    this.#ends = [source.onChange?.(recheck), revocations?.onChange(recheck)].filter((end) => end !== undefined);
  }

  /** The SVID to present now. Fails with `SERVICE_NO_IDENTITY` while there is none that is valid. */
  svid(): Result<X509Svid, ServiceError> {
    if (this.#isClosed) return err(new ServiceError("SERVICE_CLOSED", "the identity of this process is closed"));
    const svid = this.#currentSvid();
    if (svid === undefined)
      return err(
        new ServiceError("SERVICE_NO_IDENTITY", "this process has no X.509-SVID", {
          hint: "check that the agent runs and that the workload is registered: `vigil identity doctor`",
        }),
      );
    const [leaf] = svid.certificates;
    if (leaf.notAfterMs >= this.#clock()) return ok(svid);
    return err(
      new ServiceError("SERVICE_NO_IDENTITY", `the X.509-SVID of this process expired at ${new Date(leaf.notAfterMs).toISOString()}`, {
        hint: "it was not renewed in time: check that the agent reaches its authority",
      }),
    );
  }

  /** A source that makes another object of the same identity, as with each message of an agent, has renewed nothing. */
  #currentSvid(): X509Svid | undefined {
    const given = this.#source.x509Svid();
    if (given === this.#given) return this.#held;
    this.#given = given;
    if (given === undefined || this.#held === undefined || !isSameChain(given, this.#held)) this.#held = given;
    return this.#held;
  }

  /** For `server.setSecureContext`. */
  serverContext(svid: X509Svid): SecureContextOptions {
    return secureContextOptions(svid, this.minVersion);
  }

  /** The connections that live, of servers and clients. */
  get connections(): ReadonlySet<Connection> {
    return this.#live.connections;
  }

  get nowMs(): number {
    return this.#clock();
  }

  /**
   * Takes in a socket whose handshake has just ended, on the side of a server: the verified connection, or undefined when it was refused
   * and destroyed.
   */
  admit(socket: TLSSocket, svid: X509Svid, isAllowed: (peer: Peer) => boolean): Connection | undefined {
    const established = this.#establish(socket, { svid, isAllowed, isClient: false });
    if (established.ok) return established.value;
    socket.destroy();
    this.#onRefusal(established.error);
    return undefined;
  }

  /** Tells the one who watches refusals about one that happened before there was a peer to verify. */
  reportRefusal(error: ServiceError): void {
    this.#onRefusal(error);
  }

  /**
   * A connection to a server that proves an identity which `isAllowed` accepts. Rejects with a ServiceError; nothing has been written
   * to the peer then but the handshake.
   */
  async connect(target: ConnectTarget, isAllowed: (peer: Peer) => boolean): Promise<Connection> {
    const svid = this.svid();
    if (!svid.ok) throw svid.error;
    const socket = await this.#handshake(target, svid.value);
    const established = this.#establish(socket, { svid: svid.value, isAllowed, isClient: true });
    if (established.ok) return established.value;
    socket.destroy();
    throw established.error;
  }

  #handshake(target: ConnectTarget, svid: X509Svid): Promise<TLSSocket> {
    const { host = "localhost", port, socketPath, socket: transport, localAddress, timeoutMs = HANDSHAKE_TIMEOUT_MS } = target;
    const name = target.servername ?? host;
    const where = socketPath ?? (port === undefined ? name : `${host}:${port}`);
    // Documented, and missing in the types.
    const halfOpen: object = { allowHalfOpen: target.allowHalfOpen ?? false };
    const socket = connect({
      secureContext: this.#contexts.contextOf(svid),
      // The validator of Vigil decides, as soon as the handshake ends.
      rejectUnauthorized: false,
      // RFC 6066 §3: an address is no server name.
      servername: isIP(name) === 0 ? name : "",
      ALPNProtocols: [...(target.alpnProtocols ?? [])],
      ...(transport === undefined ? {} : { socket: transport }),
      ...(socketPath === undefined ? { host, ...(port === undefined ? {} : { port }) } : { path: socketPath }),
      ...halfOpen,
      ...(localAddress === undefined ? {} : { localAddress }),
    });
    return new Promise((resolve, reject) => {
      const fail = (error: ServiceError): void => {
        clearTimeout(timer);
        socket.removeListener("close", onClose);
        socket.destroy();
        reject(error);
      };
      const timer = setTimeout(
        () => fail(new ServiceError("SERVICE_HANDSHAKE", `no connection to \`${where}\` within ${timeoutMs} ms`)),
        timeoutMs,
      );
      const onError = (thrown: Error): void =>
        fail(new ServiceError("SERVICE_HANDSHAKE", `no connection to \`${where}\`: ${messageOf(thrown)}`, { cause: thrown }));
      const onClose = (): void => fail(new ServiceError("SERVICE_HANDSHAKE", `\`${where}\` closed the connection in its handshake`));
      socket.on("error", onError);
      socket.once("close", onClose);
      socket.once("secureConnect", () => {
        clearTimeout(timer);
        socket.removeListener("error", onError);
        socket.removeListener("close", onClose);
        resolve(socket);
      });
    });
  }

  #establish(
    socket: TLSSocket,
    { svid, isAllowed, isClient }: { readonly svid: X509Svid; readonly isAllowed: (peer: Peer) => boolean; readonly isClient: boolean },
  ): Result<Connection, ServiceError> {
    const chain = presentedChain(socket);
    const verified = this.verifyChain(chain);
    if (!verified.ok) return verified;
    const proof = verified.value;
    const bundle = this.#source.bundleOf(trustDomainOf(proof.id));
    const connection = new Connection({ socket, chain, proof, bundle, svid, isClient, establishedMs: this.#clock() });
    const refused = refusalOf(connection.peer, isAllowed);
    if (refused !== undefined) return err(refused);
    markConnection(socket, connection);
    this.#live.add(connection);
    return ok(connection);
  }

  /**
   * Whose chain this is (DER, leaf first), by the bundle of its trust domain and what is revoked, now. Fails with `SERVICE_PEER_UNVERIFIED`
   * and `SERVICE_PEER_REVOKED`. A chain is no secret: whoever shows it proves nothing until a signature with its key is verified.
   * UNTRUSTED: the chain.
   */
  verifyChain(chain: readonly Uint8Array[]): Result<VerifiedX509Svid, ServiceError> {
    if (this.#isClosed) return err(new ServiceError("SERVICE_CLOSED", "the identity of this process is closed"));
    if (chain.length === 0) return err(new ServiceError("SERVICE_PEER_UNVERIFIED", "the peer presented no certificate"));
    const verified = this.#chains.verify(chain, this.#clock());
    if (!verified.ok)
      return err(
        new ServiceError("SERVICE_PEER_UNVERIFIED", verified.error.message, {
          cause: verified.error,
          ...(verified.error.hint === undefined ? {} : { hint: verified.error.hint }),
        }),
      );
    if (this.#revocations?.isRevoked(verified.value) === true)
      return err(new ServiceError("SERVICE_PEER_REVOKED", `the identity \`${verified.value.id}\` is revoked`));
    return ok(verified.value);
  }

  #isTrusted(connection: Connection): boolean {
    const bundle = this.#source.bundleOf(connection.peer.trustDomain);
    if (bundle !== undefined && bundle === connection.bundle) return this.#revocations?.isRevoked(connection.proof) !== true;
    const isTrusted = this.verifyChain(connection.chain).ok;
    if (isTrusted) connection.bundle = bundle;
    return isTrusted;
  }

  /** Ends the watch over sources and cuts the connections that are left. */
  close(): void {
    this.#isClosed = true;
    for (const end of this.#ends) end();
    this.#live.close();
  }
}

const isSameChain = ({ certificates }: X509Svid, { certificates: others }: X509Svid): boolean =>
  certificates.length === others.length &&
  certificates.every(({ der }, index) => {
    const other = others[index];
    return other !== undefined && isSame(der, other.der);
  });

function refusalOf(peer: Peer, isAllowed: (peer: Peer) => boolean): ServiceError | undefined {
  let cause: unknown;
  try {
    if (isAllowed(peer) === true) return undefined;
  } catch (thrown) {
    // Deny when unsure.
    cause = thrown;
  }
  return new ServiceError("SERVICE_PEER_REFUSED", `the peer \`${peer.id}\` is not allowed here`, {
    hint: "add its SPIFFE ID, or a pattern that fits it, to `allow`",
    cause,
  });
}

/** The identity of this process for its servers and clients. `close` it at the end. */
export const createServiceIdentity = (options: ServiceIdentityOptions): ServiceIdentity => new ServiceIdentity(options);
