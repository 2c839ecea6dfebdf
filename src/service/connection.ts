/** A verified connection: from the end of its handshake, before a byte of the peer is read or written, to its close. */
import type { TLSSocket } from "node:tls";
import type { TrustBundle } from "../spiffe/bundle.ts";
import type { VerifiedX509Svid, X509Svid } from "../spiffe/x509-svid.ts";
import { type Peer, peerOfSvid } from "./peer.ts";

/** Time for requests under way between the wish to end a connection and its cut: a tenth of what is left, at most this. */
const MAX_DRAIN_MS = 30_000;

export interface ConnectionFacts {
  readonly socket: TLSSocket;
  /** Of the peer, as presented: it is verified again when trust changes. */
  readonly chain: readonly Uint8Array[];
  readonly proof: VerifiedX509Svid;
  /** What the proof was verified with. */
  readonly bundle: TrustBundle | undefined;
  /** The identity that this side presented. */
  readonly svid: X509Svid;
  readonly isClient: boolean;
  readonly establishedMs: number;
}

export class Connection {
  readonly socket: TLSSocket;
  readonly chain: readonly Uint8Array[];
  readonly peer: Peer;
  readonly proof: VerifiedX509Svid;
  /** What the proof was last verified with: while it is the bundle of the peer's trust domain, there is nothing to verify again. */
  bundle: TrustBundle | undefined;
  readonly svid: X509Svid;
  readonly isClient: boolean;
  /** From then on no new work: in ms since the epoch. */
  readonly drainAtMs: number;
  /** The first moment at which a certificate of either side is no longer valid. */
  readonly endsAtMs: number;
  #isDraining = false;
  readonly #listeners = new Set<() => void>();

  constructor({ socket, chain, proof, bundle, svid, isClient, establishedMs }: ConnectionFacts) {
    this.socket = socket;
    this.chain = chain;
    this.peer = peerOfSvid(proof);
    this.proof = proof;
    this.bundle = bundle;
    this.svid = svid;
    this.isClient = isClient;
    this.endsAtMs = Math.min(proof.validUntilMs, ...svid.certificates.map(({ notAfterMs }) => notAfterMs));
    this.drainAtMs = this.endsAtMs - Math.min(MAX_DRAIN_MS, (this.endsAtMs - establishedMs) / 10);
  }

  /** No new request should begin on it; those under way may finish until it is cut. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Calls `listener` once when draining begins: at once when it has begun. */
  onDrain(listener: () => void): void {
    if (this.#isDraining) listener();
    else this.#listeners.add(listener);
  }

  drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }

  /** Ends it at once, requests under way included. */
  cut(): void {
    this.#isDraining = true;
    this.#listeners.clear();
    this.socket.destroy();
  }
}

/**
 * Where a socket or a request keeps its connection. A property and not a WeakMap: `node:http2` shows its sockets only through proxies,
 * which pass properties on.
 */
const CONNECTION = Symbol("vigil.connection");

interface Marked {
  readonly [CONNECTION]?: Connection;
}

/** Requests are marked as well: those of `node:http2` lose their socket when the client goes, while their handlers go on. */
export function markConnection(carrier: object, connection: Connection): void {
  if (!(CONNECTION in carrier)) Object.defineProperty(carrier, CONNECTION, { value: connection });
}

/** The connection of a socket, of a proxy of one, or of a request; undefined when it was not verified here. */
export const connectionOf = (carrier: object): Connection | undefined =>
  // Any object may lack the property; none but ours has it.
  (carrier as Marked)[CONNECTION];
