/** Watch over connections: cut when trust in the peer ends, drained ahead of that, and when this side has a newer identity to present. */
import type { X509Svid } from "../spiffe/x509-svid.ts";
import type { Connection } from "./connection.ts";

export interface LiveConnectionsOptions {
  readonly clock: () => number;
  readonly currentSvid: () => X509Svid | undefined;
  /** Whether the peer is still who it was: verified again where the trust in it changed. */
  readonly isTrusted: (connection: Connection) => boolean;
}

/**
 * Time is looked at this often and not waited for: a timer for an hour stands still while a laptop sleeps, and certificates do not.
 * It is also how long a change of a source that gives no notice may go unseen.
 */
const TICK_MS = 1_000;

export class LiveConnections {
  readonly connections: ReadonlySet<Connection>;
  readonly #connections = new Set<Connection>();
  readonly #options: LiveConnectionsOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LiveConnectionsOptions) {
    this.connections = this.#connections;
    this.#options = options;
  }

  add(connection: Connection): void {
    this.#connections.add(connection);
    connection.socket.once("close", () => this.#remove(connection));
    this.#schedule();
  }

  #remove(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#connections.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Cuts whom trust has left, and drains what is about to end or presents an identity of yesterday. */
  recheck(): void {
    const { clock, currentSvid, isTrusted } = this.#options;
    const nowMs = clock();
    const svid = currentSvid();
    for (const connection of this.#connections) {
      if (nowMs > connection.endsAtMs || !isTrusted(connection)) connection.cut();
      else if (nowMs >= connection.drainAtMs || (connection.isClient && svid !== undefined && svid !== connection.svid)) connection.drain();
    }
  }

  #schedule(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.recheck();
      if (this.#connections.size > 0) this.#schedule();
    }, TICK_MS).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const connection of this.#connections) connection.cut();
  }
}
