/** How long to wait before the next attempt; time and chance are arguments, so that tests need no patience. */
import { setTimeout } from "node:timers/promises";

/** What passes outside of a computation: the clock, waiting, chance. */
export interface Pacing {
  /** Since the epoch. */
  nowMs(): number;
  /** Resolves after the time, or as soon as the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** From 0 up to, without, 1. */
  random(): number;
}

/** The real ones. Sleeping keeps the process alive, as the connection does that is waited for. */
export const systemPacing: Pacing = {
  nowMs: () => Date.now(),
  random: () => Math.random(),
  // Being woken early is what the signal is for.
  sleep: (ms, signal) => setTimeout(ms, undefined, { signal }).catch(() => undefined),
};

export interface BackOffLimits {
  readonly firstMs: number;
  readonly maxMs: number;
}

const JITTER = 0.2;

/** Doubles from the first to the longest wait, each up to a fifth shorter or longer. */
export class BackOff {
  readonly #limits: BackOffLimits;
  readonly #random: () => number;
  #nextMs: number;

  constructor(limits: BackOffLimits, random: () => number) {
    this.#limits = limits;
    this.#random = random;
    this.#nextMs = limits.firstMs;
  }

  nextMs(): number {
    const ms = this.#nextMs;
    this.#nextMs = Math.min(ms * 2, this.#limits.maxMs);
    return ms * (1 - JITTER + 2 * JITTER * this.#random());
  }

  reset(): void {
    this.#nextMs = this.#limits.firstMs;
  }
}
