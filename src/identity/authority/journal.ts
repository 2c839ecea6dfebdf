/**
 * What the authority must never forget: its authorities, what it denies, whom it trusts by command. One file, replaced as a whole; a
 * change is in force when the file is on the disk, and not before.
 */

import type { TrustDomain } from "../../spiffe/spiffe-id.ts";
import type { AuthorityRecord } from "./authority-record.ts";
import type { DownstreamKey, UpstreamTrust } from "./foreign-trust.ts";

/** Something denied by call, with why and for how long. */
export interface Denial {
  readonly value: string;
  readonly reason: string;
  readonly sinceMs: number;
  /** When it no longer matters because everything that it denies has expired; undefined: never. */
  readonly untilMs: number | undefined;
}

export interface JoinToken {
  /** SHA-256 of the token, hexadecimal: who reads the journal gets no token. */
  readonly digest: string;
  readonly agentName: string;
  readonly expiresAtMs: number;
}

/** A trust domain that is trusted by command. */
export interface CommandedRelation {
  readonly trustDomain: TrustDomain;
  readonly url: string;
  readonly profile: "https_web" | "https_spiffe";
  readonly serverId: string | undefined;
}

export interface JournalState {
  readonly trustDomain: TrustDomain;
  /** Of the published bundle: grows with each change of it. */
  readonly sequence: bigint;
  readonly authorities: readonly AuthorityRecord[];
  readonly deniedIds: readonly Denial[];
  readonly deniedSerials: readonly Denial[];
  readonly deniedAuthorities: readonly Denial[];
  /** By SPIFFE ID, or `*` for all: SVIDs issued before this moment are renewed. */
  readonly renewals: ReadonlyMap<string, number>;
  readonly joinTokens: readonly JoinToken[];
  readonly relations: readonly CommandedRelation[];
  /** Keys that authorities below have published here. */
  readonly downstreamKeys: readonly DownstreamKey[];
  /** What the authority above said last; undefined when there is none that says anything. */
  readonly upstream: UpstreamTrust | undefined;
}

export const emptyState = (trustDomain: TrustDomain): JournalState => ({
  trustDomain,
  sequence: 0n,
  authorities: [],
  deniedIds: [],
  deniedSerials: [],
  deniedAuthorities: [],
  renewals: new Map(),
  joinTokens: [],
  relations: [],
  downstreamKeys: [],
  upstream: undefined,
});

/** Where a journal is kept. */
export interface JournalStorage {
  /** The text of the last save; undefined when there never was one. */
  read(): Promise<Uint8Array | undefined>;
  /** When the promise resolves the text survives a power failure; when it rejects the text before is still there. */
  write(text: string): Promise<void>;
}

export interface Journal {
  readonly state: JournalState;
  /**
   * Computes the next state from the present one and saves it; `state` is the next one when the promise resolves. Changes happen one
   * after another. A `change` that returns its argument saves nothing. Rejects with `AUTHORITY_STATE_UNWRITABLE`; nothing has changed then.
   */
  update(change: (state: JournalState) => JournalState): Promise<JournalState>;
}
