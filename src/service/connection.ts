/** A verified connection: from the end of its handshake, before a byte of the peer is read or written, to its close. */
import type { TLSSocket } from "node:tls";
import type { X509Svid } from "../spiffe/x509-svid.ts";
import type { Peer } from "./peer.ts";

/** Time for requests under way between the wish to end a connection and its cut: a tenth of what is left, at most this. */
const MAX_DRAIN_MS = 30_000;

export interface ConnectionFacts {
  readonly socket: TLSSocket;
  /** Of the peer, as presented: it is verified again when trust changes. */
  readonly chain: readonly Uint8Array[];
  readonly peer: Peer;
  /** The identity that this side presented. */
  readonly svid: X509Svid;
  readonly isClient: boolean;
  readonly establishedMs: number;
}

export class Connection {
  readonly socket: TLSSocket;
  readonly chain: readonly Uint8Array[];
  readonly peer: Peer;
  readonly svid: X509Svid;
  readonly isClient: boolean;
  /** From then on no new work: in ms since the epoch. */
  readonly drainAtMs: number;
  /** The first moment at which a certificate of either side is no longer valid. */
  readonly endsAtMs: number;
  #isDraining = false;
  readonly #listeners = new Set<() => void>();

  constructor({ socket, chain, peer, svid, isClient, establishedMs }: ConnectionFacts) {
    this.socket = socket;
    this.chain = chain;
    this.peer = peer;
    this.svid = svid;
    this.isClient = isClient;
    this.endsAtMs = Math.min(peer.validUntilMs, ...svid.certificates.map(({ notAfterMs }) => notAfterMs));
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
 * Where a socket keeps its connection. A property and not a WeakMap: `node:http2` shows its sockets only through proxies, which pass
 * properties on.
 */
const CONNECTION = Symbol("vigil.connection");

interface Marked {
  readonly [CONNECTION]?: Connection;
}

export function markConnection(connection: Connection): void {
  Object.defineProperty(connection.socket, CONNECTION, { value: connection });
}

/** The connection of a socket, or of a proxy of one; undefined when it was not verified here. */
export const connectionOf = (socket: object): Connection | undefined =>
  // Any object may lack the property; none but ours has it.
  (socket as Marked)[CONNECTION];
