/** When credentials are renewed, and how long to wait between attempts: pure arithmetic over times in milliseconds. */

export interface Lifetime {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** The latest moment: 20 % of the lifetime left, or five minutes where that is less. */
const LATEST_FRACTION = 0.2;
const LATEST_MS = 5 * 60_000;
/** Renewals of many workloads that started together are spread over this part of the time until they are due. */
const JITTER_FRACTION = 0.1;

export const latestRenewalMs = ({ notBeforeMs, notAfterMs }: Lifetime): number =>
  notAfterMs - Math.min(LATEST_FRACTION * (notAfterMs - notBeforeMs), LATEST_MS);

/**
 * When to renew: what the authority wishes (half of the lifetime without a wish), a little earlier by `random` (0 ≤ x < 1), and in any case
 * while there is time for a second attempt.
 */
export function renewalTimeMs(lifetime: Lifetime, random: number, wishedMs?: number): number {
  const { notBeforeMs, notAfterMs } = lifetime;
  const halfMs = notBeforeMs + (notAfterMs - notBeforeMs) / 2;
  const isSensible = wishedMs !== undefined && wishedMs > notBeforeMs && wishedMs < notAfterMs;
  const dueMs = Math.min(isSensible ? wishedMs : halfMs, latestRenewalMs(lifetime));
  return dueMs - JITTER_FRACTION * random * (dueMs - notBeforeMs);
}

export interface BackOff {
  readonly minMs: number;
  readonly maxMs: number;
}

/** The pause before attempt `failures` + 1: doubling from `minMs` to `maxMs`, of which the last quarter is random (0 ≤ x < 1). */
export function pauseMs(failures: number, random: number, { minMs, maxMs }: BackOff): number {
  return Math.min(maxMs, minMs * 2 ** Math.min(30, Math.max(0, failures - 1))) * (0.75 + random / 4);
}

const LONGEST_PAUSE_MS = 30_000;
const PAUSE_FRACTION = 0.05;
const SHORTEST_PAUSE_MS = 20;

/** Between attempts to reach the authority: 1 s to 30 s, or 5 % of the shortest lifetime where that is less, so that its return is noticed in time. */
export function reconnectBackOff(shortestTtlMs: number | undefined): BackOff {
  const maxMs = Math.max(SHORTEST_PAUSE_MS, Math.min(LONGEST_PAUSE_MS, PAUSE_FRACTION * (shortestTtlMs ?? Number.POSITIVE_INFINITY)));
  return { minMs: Math.min(1_000, maxMs), maxMs };
}
