/** The header `grpc-timeout` (grpc `doc/PROTOCOL-HTTP2.md`, Timeout): up to eight digits and a unit. */

const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };
const MAX_VALUE = 99_999_999;
/** The longest that a timer of Node.js can wait: what is longer is no limit in practice. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;

/** In ms, at most `MAX_TIMER_MS`; undefined when the text is no timeout. UNTRUSTED. */
export function parseCallTimeout(text: string): number | undefined {
  const [, digits, unit = ""] = /^([0-9]{1,8})([HMSmun])$/.exec(text) ?? [];
  const unitMs = UNIT_MS[unit];
  return digits === undefined || unitMs === undefined ? undefined : Math.min(Number(digits) * unitMs, MAX_TIMER_MS);
}

/** The header for a number of ms; what has passed already is the shortest. */
export function encodeCallTimeout(timeoutMs: number): string {
  const wholeMs = Math.max(1, Math.ceil(timeoutMs));
  return wholeMs <= MAX_VALUE ? `${wholeMs}m` : `${Math.min(MAX_VALUE, Math.ceil(wholeMs / 1000))}S`;
}
