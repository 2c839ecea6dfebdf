/**
 * When authorities change their phase. Pure: the clock is an argument. Of a key's life the first half passes alone, then the next key is
 * published, and when two thirds are over it takes over: verifiers have had a sixth of a life to learn of it, and what the old one
 * signed last may live for a third.
 */
import { publicationLeadMs } from "../../spiffe/federation.ts";
import type { AuthorityRecord } from "./authority-record.ts";

export type RotationStep =
  /** Make and publish a key; `thenActivate` when nothing signs now. */
  | { readonly kind: "prepare"; readonly thenActivate: boolean }
  | { readonly kind: "activate"; readonly id: string }
  /** Take it out of the bundle: it has expired. */
  | { readonly kind: "retire"; readonly id: string };

const PREPARE_AFTER = 1 / 2;
const ACTIVATE_AFTER = 2 / 3;
/** Of a key's life, while both are published and the old one signs. */
const OVERLAP = 1 / 6;

const at = ({ notBeforeMs, notAfterMs }: AuthorityRecord, share: number): number => notBeforeMs + (notAfterMs - notBeforeMs) * share;

/** Never more than what fits into the overlap five times (SPIFFE_Federation §4.1), and never less than a second. */
export const fittingRefreshHintSeconds = (wantedMs: number, ttlMs: number): number =>
  Math.max(1, Math.floor(Math.min(wantedMs / 1000, (ttlMs * OVERLAP) / publicationLeadMs(1))));

/** The longest life of an SVID that no change of authorities cuts short. */
export const longestSvidMs = (ttlMs: number): number => Math.floor(ttlMs * (1 - ACTIVATE_AFTER));

/** From when on a prepared key may sign without surprising those who fetch the bundle as often as it asks for. */
export const publishedMs = (prepared: AuthorityRecord, refreshHintSeconds: number): number =>
  prepared.sinceMs + publicationLeadMs(refreshHintSeconds);

/** When the key will leave its phase by itself; undefined when no time does that. */
export function phaseEndMs(record: AuthorityRecord, siblings: readonly AuthorityRecord[]): number | undefined {
  switch (record.phase) {
    case "prepared": {
      const active = siblings.find(({ phase }) => phase === "active");
      return active === undefined ? undefined : at(active, ACTIVATE_AFTER);
    }
    case "active":
      return at(record, ACTIVATE_AFTER);
    case "old":
      return record.notAfterMs;
    case "gone":
      return undefined;
    default:
      return record.phase satisfies never;
  }
}

/**
 * What is due now among the authorities of one kind; undefined when nothing is. To be asked again after each step.
 * A clock that jumps (a machine that slept) makes several steps due at once, in the right order.
 */
export function dueStep(
  records: readonly AuthorityRecord[],
  { nowMs, refreshHintSeconds }: { readonly nowMs: number; readonly refreshHintSeconds: number },
): RotationStep | undefined {
  const living = records.filter(({ phase }) => phase !== "gone");
  const active = living.find(({ phase, notAfterMs }) => phase === "active" && notAfterMs > nowMs);
  const prepared = living.find(({ phase, notAfterMs }) => phase === "prepared" && notAfterMs > nowMs);
  if (active === undefined) return prepared === undefined ? { kind: "prepare", thenActivate: true } : { kind: "activate", id: prepared.id };
  const expired = living.find(({ notAfterMs }) => notAfterMs <= nowMs);
  if (expired !== undefined) return { kind: "retire", id: expired.id };
  if (prepared === undefined) return nowMs >= at(active, PREPARE_AFTER) ? { kind: "prepare", thenActivate: false } : undefined;
  const isPublishedLongEnough = nowMs >= publishedMs(prepared, refreshHintSeconds) || nowMs >= at(active, LAST_CALL);
  return nowMs >= at(active, ACTIVATE_AFTER) && isPublishedLongEnough ? { kind: "activate", id: prepared.id } : undefined;
}

/** A key that was published late takes over here at the latest: SVIDs would become too short otherwise. */
const LAST_CALL = 5 / 6;

/** The next moment at which something may be due; Infinity when nothing ever is. */
export function nextDueMs(records: readonly AuthorityRecord[], refreshHintSeconds: number): number {
  const active = records.find(({ phase }) => phase === "active");
  const prepared = records.find(({ phase }) => phase === "prepared");
  const expiries = records.filter(({ phase }) => phase !== "gone").map(({ notAfterMs }) => notAfterMs);
  const change =
    active === undefined
      ? 0
      : prepared === undefined
        ? at(active, PREPARE_AFTER)
        : Math.max(at(active, ACTIVATE_AFTER), Math.min(publishedMs(prepared, refreshHintSeconds), at(active, LAST_CALL)));
  return Math.min(change, ...expiries);
}
