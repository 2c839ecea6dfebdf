/** Nanoseconds since the epoch ↔ RFC 3339 in UTC with nine digits of fraction: how events carry time on the wire. */

const NANOS_PER_MS = 1_000_000n;

/** `2026-11-22T12:04:31.207000000Z`. */
export function formatTimeNs(timeNs: bigint): string {
  const date = new Date(Number(timeNs / NANOS_PER_MS)).toISOString();
  return `${date.slice(0, -1)}${String(timeNs % NANOS_PER_MS).padStart(6, "0")}Z`;
}

const RFC3339 = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})$/;

/** The nanoseconds that an RFC 3339 text means, or undefined when it is not one. */
export function parseTimeNs(text: string): bigint | undefined {
  const match = RFC3339.exec(text);
  if (match === null) return undefined;
  const seconds = Date.parse(`${match[1]}${match[3]}`);
  if (Number.isNaN(seconds)) return undefined;
  return BigInt(seconds) * NANOS_PER_MS + BigInt((match[2] ?? "0").padEnd(9, "0"));
}

/** The UTC day, `2026-11-22`: the name of a store file. */
export const dayOf = (timeNs: bigint): string => new Date(Number(timeNs / NANOS_PER_MS)).toISOString().slice(0, 10);
