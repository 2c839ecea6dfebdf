/** What the bundle of the trust domain holds that is not ours: authorities above, and keys of authorities below. Pure changes of the journal's state. */

import { parseX509Certificate } from "../../spiffe/x509-certificate.ts";
import { authorityError } from "./authority-error.ts";
import type { AuthorityRecord } from "./authority-record.ts";
import type { JournalState } from "./journal.ts";

/** A key of another authority of the trust domain that signs JWT-SVIDs. */
export interface ForeignTokenKey {
  readonly keyId: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKeyInfo: Uint8Array;
  readonly expiresAtMs: number;
}

/** One that an authority below has published here. */
export interface DownstreamKey extends ForeignTokenKey {
  /** Its SPIFFE ID. */
  readonly publisher: string;
}

/** What the authority above says is trusted. */
export interface UpstreamTrust {
  /** DER. */
  readonly roots: readonly Uint8Array[];
  /** Of roots whose work is to be replaced: subject key identifiers, hexadecimal. */
  readonly taintedIds: readonly string[];
  /** Ours among them. */
  readonly jwtKeys: readonly ForeignTokenKey[];
}

/** Beyond it somebody floods the bundle: everybody in the trust domain reads it. */
const MAX_DOWNSTREAM_KEYS = 256;
const MAX_KEYS_OF_PUBLISHER = 16;

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
const textOfKey = ({ keyId, publicKeyInfo, expiresAtMs }: ForeignTokenKey): readonly (string | number)[] => [
  keyId,
  base64(publicKeyInfo),
  expiresAtMs,
];

/** Whether both say the same, in whatever order. */
export function isSameTrust(a: UpstreamTrust | undefined, b: UpstreamTrust | undefined): boolean {
  const text = (trust: UpstreamTrust | undefined): string =>
    JSON.stringify(
      trust && [trust.roots.map(base64).sort(), [...trust.taintedIds].sort(), trust.jwtKeys.map(textOfKey).map(String).sort()],
    );
  return text(a) === text(b);
}

/**
 * Adds a key, or renews it. Throws `AUTHORITY_KEY_CONFLICT` when its ID is that of another key: verifiers would take the one for the other; and
 * `AUTHORITY_LIMIT`.
 */
export function withDownstreamKey(state: JournalState, key: DownstreamKey, nowMs: number): JournalState {
  const { keyId, publisher, publicKeyInfo } = key;
  const isOther = (known: Uint8Array): boolean => Buffer.compare(known, publicKeyInfo) !== 0;
  const kept = state.downstreamKeys.filter(({ expiresAtMs }) => expiresAtMs > nowMs);
  const isTaken =
    state.authorities.some(({ kind, id }) => kind !== "x509" && id === keyId) ||
    state.upstream?.jwtKeys.some((known) => known.keyId === keyId && isOther(known.publicKeyInfo)) === true ||
    kept.some((known) => known.keyId === keyId && (known.publisher !== publisher || isOther(known.publicKeyInfo))) ||
    state.deniedAuthorities.some(({ value }) => value === keyId);
  if (isTaken)
    throw authorityError("AUTHORITY_KEY_CONFLICT", `the key ID \`${keyId}\` belongs to another key of the trust domain, or is revoked`, {
      hint: "make a new key",
    });
  const others = kept.filter((known) => known.keyId !== keyId);
  if (others.length >= MAX_DOWNSTREAM_KEYS || others.filter((known) => known.publisher === publisher).length >= MAX_KEYS_OF_PUBLISHER)
    throw authorityError("AUTHORITY_LIMIT", `\`${publisher}\` has published too many keys`, { hint: "wait until some expire" });
  return { ...state, sequence: state.sequence + 1n, downstreamKeys: [...others, key] };
}

/** With those keys of authorities below that are kept. */
export const withKeys = (state: JournalState, isKept: (key: DownstreamKey) => boolean): JournalState => ({
  ...state,
  sequence: state.sequence + 1n,
  downstreamKeys: state.downstreamKeys.filter(isKept),
});

/** Key identifiers, hexadecimal, of the authorities that our certificate rests on, nearest first. */
function issuersOf({ certificate }: AuthorityRecord): readonly string[] {
  if (certificate?.upstream === undefined) return [];
  return [certificate.der, ...certificate.upstream.intermediates].flatMap((der) => {
    const parsed = parseX509Certificate(der);
    const identifier = parsed.ok ? parsed.value.authorityKeyIdentifier : undefined;
    return identifier === undefined ? [] : [Buffer.from(identifier).toString("hex")];
  });
}

/** Whether what the authority of this record signs proves little or nothing any more, because of what is above it. */
export function isUndermined(record: AuthorityRecord, { roots, taintedIds }: UpstreamTrust): boolean {
  const issuers = issuersOf(record);
  const top = issuers.at(-1);
  if (top === undefined) return false;
  const known = roots.map((der) => {
    const parsed = parseX509Certificate(der);
    return parsed.ok ? Buffer.from(parsed.value.subjectKeyIdentifier ?? []).toString("hex") : "";
  });
  return !known.includes(top) || issuers.some((id) => taintedIds.includes(id));
}
