/** Changes of the journal's state by which authorities come, change their phase and go. Pure. */
import { AUTHORITY_KINDS, type AuthorityRecord } from "./authority-record.ts";
import type { JournalState } from "./journal.ts";
import type { SigningKey } from "./key-store.ts";

/** Gone ones of each kind that are still shown. */
const KEPT_GONE = 4;

/** The next one; the roots above it may be newer than what was last heard of them. */
export function withPrepared(state: JournalState, made: AuthorityRecord): JournalState {
  const heard = state.upstream;
  const roots = heard === undefined ? [] : (made.certificate?.upstream?.roots ?? []);
  const fresh = roots.filter((root) => heard?.roots.every((known) => Buffer.compare(known, root) !== 0));
  const upstream = heard === undefined || fresh.length === 0 ? heard : { ...heard, roots: [...heard.roots, ...fresh] };
  return { ...state, sequence: state.sequence + 1n, authorities: [...state.authorities, made], upstream };
}

/** There is no authority above any more, or none that says what it trusts. */
export const withoutUpstream = (state: JournalState): JournalState => ({ ...state, sequence: state.sequence + 1n, upstream: undefined });

/** The state with this record instead of the one that has its ID. */
export const replaced = (state: JournalState, record: AuthorityRecord): JournalState => ({
  ...state,
  authorities: state.authorities.map((known) => (known.id === record.id ? record : known)),
});

/** The state without the gone ones that nobody needs to see any more. */
export function prune(state: JournalState): JournalState {
  const gone = state.authorities.filter(({ phase }) => phase === "gone");
  const forgotten = new Set(
    AUTHORITY_KINDS.flatMap((kind) =>
      gone
        .filter((record) => record.kind === kind)
        .toSorted((a, b) => b.sinceMs - a.sinceMs)
        .slice(KEPT_GONE),
    ),
  );
  return forgotten.size === 0 ? state : { ...state, authorities: state.authorities.filter((record) => !forgotten.has(record)) };
}

/** Whether a loaded key is the one that a record is about. */
export const isKeyOf = (key: SigningKey, { publicKeyInfo }: AuthorityRecord): boolean =>
  Buffer.compare(key.publicKeyInfo, publicKeyInfo) === 0;
