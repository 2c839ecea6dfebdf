/** What proves nothing though it is signed and not expired: denied by call, which the journal keeps, or by the trust domain's resource. */

import type { TrustDomainResource } from "../../resource/trust-domain.ts";
import { COMPONENT_CLASSES } from "../../resource/workload.ts";
import { authorityError } from "./authority-error.ts";
import type { Denial, JournalState } from "./journal.ts";

/** Complete: what is not here is not denied. */
export interface Denials {
  readonly spiffeIds: ReadonlySet<string>;
  /** As `serialText` writes them. */
  readonly serials: ReadonlySet<string>;
  readonly authorityIds: ReadonlySet<string>;
}

export const NO_DENIALS: Denials = { spiffeIds: new Set(), serials: new Set(), authorityIds: new Set() };

/** Everything that is denied at `nowMs`. */
export function denialsOf(state: JournalState, resource: TrustDomainResource | undefined, nowMs: number): Denials {
  const current = (denials: readonly Denial[]): readonly string[] =>
    denials.filter(({ untilMs }) => untilMs === undefined || untilMs > nowMs).map(({ value }) => value);
  const { spiffeIds = [], serials = [], authorityIds = [] } = resource?.denied ?? {};
  return {
    spiffeIds: new Set([...current(state.deniedIds), ...spiffeIds]),
    serials: new Set([...current(state.deniedSerials), ...serials]),
    authorityIds: new Set([...current(state.deniedAuthorities), ...authorityIds]),
  };
}

const sameSet = (a: ReadonlySet<string>, b: ReadonlySet<string>): boolean => a.size === b.size && [...a].every((value) => b.has(value));

export const isSameDenials = (a: Denials, b: Denials): boolean =>
  sameSet(a.spiffeIds, b.spiffeIds) && sameSet(a.serials, b.serials) && sameSet(a.authorityIds, b.authorityIds);

/** By call; longer lists belong into a resource. */
const MAX_DENIED = 10_000;
/** No SVID of ours lives longer. */
const LONGEST_SVID_MS = Math.max(...Object.values(COMPONENT_CLASSES).map(({ maxX509TtlMs }) => maxX509TtlMs));

export interface DenyChange {
  readonly spiffeIds: readonly string[];
  readonly serials: readonly string[];
  readonly reason: string;
  /** Denies no longer, instead. */
  readonly remove: boolean;
}

/** The state with the change. Throws `AUTHORITY_LIMIT`. What has expired meanwhile is dropped. */
export function withDenied(state: JournalState, { spiffeIds, serials, reason, remove }: DenyChange, nowMs: number): JournalState {
  const apply = (denials: readonly Denial[], values: readonly string[], untilMs: number | undefined): readonly Denial[] => {
    const changed = new Set(values);
    const kept = denials.filter((denial) => !changed.has(denial.value) && (denial.untilMs === undefined || denial.untilMs > nowMs));
    const added = remove ? [] : [...changed].map((value) => ({ value, reason, sinceMs: nowMs, untilMs }));
    if (kept.length + added.length > MAX_DENIED)
      throw authorityError("AUTHORITY_LIMIT", `more than ${MAX_DENIED} would be denied by call`, {
        hint: "deny them in the `denied` of the TrustDomain resource",
      });
    return [...kept, ...added];
  };
  return {
    ...state,
    deniedIds: apply(state.deniedIds, spiffeIds, undefined),
    deniedSerials: apply(state.deniedSerials, serials, nowMs + LONGEST_SVID_MS),
  };
}
