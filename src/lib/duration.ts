const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const DURATION = /^(?:(?<d>\d{1,6})d)?(?:(?<h>\d{1,6})h)?(?:(?<m>\d{1,6})m)?(?:(?<s>\d{1,9}(?:\.\d{1,3})?)s)?(?:(?<ms>\d{1,9})ms)?$/;

/** Milliseconds of a duration as people write it: `250ms`, `30s`, `1h30m`, `7d`; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const groups = text === "" ? undefined : DURATION.exec(text)?.groups;
  if (groups === undefined) return undefined;
  return Object.entries(UNIT_MS).reduce((sum, [unit, ms]) => sum + Math.round(Number(groups[unit] ?? 0) * ms), 0);
}

/** A duration for people, in the two largest units that it needs: `850 ms`, `2.5 s`, `1m30s`, `3d4h`. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 1) return `${Math.round(durationMs * 1_000)} µs`;
  if (durationMs < 1_000) return `${Math.round(durationMs)} ms`;
  if (durationMs < 60_000) return `${Number((durationMs / 1_000).toFixed(1))} s`;
  let rest = Math.round(durationMs / 1_000) * 1_000;
  const parts: string[] = [];
  for (const unit of ["d", "h", "m", "s"] as const) {
    const count = Math.floor(rest / UNIT_MS[unit]);
    rest -= count * UNIT_MS[unit];
    if (count > 0 && parts.length < 2) parts.push(`${count}${unit}`);
    else if (parts.length > 0) break;
  }
  return parts.join("");
}
