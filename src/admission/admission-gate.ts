/** Bounds what is being received and answered at once, by number and by the bytes set aside for bodies. */

export interface GateLimits {
  readonly maxInFlight: number;
  readonly maxInFlightBytes: number;
}

export class AdmissionGate {
  readonly #limits: GateLimits;
  #inFlight = 0;
  #bytes = 0;

  constructor(limits: GateLimits) {
    this.#limits = limits;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get inFlightBytes(): number {
    return this.#bytes;
  }

  /** Sets `bytes` aside for one request, or says no. Each yes is given back by one `leave` of the same bytes. */
  enter(bytes: number): boolean {
    if (this.#inFlight >= this.#limits.maxInFlight || this.#bytes + bytes > this.#limits.maxInFlightBytes) return false;
    this.#inFlight++;
    this.#bytes += bytes;
    return true;
  }

  leave(bytes: number): void {
    this.#inFlight--;
    this.#bytes -= bytes;
  }
}
