/** A registered workload as the agent keeps it: what the authority sent, parsed once. */
import { ok, type Result } from "../../lib/result.ts";
import type { SpiffeError } from "../../spiffe/spiffe-error.ts";
import { parseSpiffeId, parseTrustDomain, type SpiffeId, type TrustDomain } from "../../spiffe/spiffe-id.ts";
import type { Entry } from "../generated/vigil/authority/v1/authority_pb.ts";

export interface ServedEntry {
  readonly id: string;
  /** Of the resource. */
  readonly name: string;
  readonly spiffeId: SpiffeId;
  /** A workload must have all of them; at least one. */
  readonly selectors: readonly string[];
  readonly x509TtlMs: number;
  readonly jwtTtlMs: number;
  readonly federatesWith: readonly TrustDomain[];
  readonly hint: string;
  readonly componentClass: string;
  /** As in `Workload.brokerFor`. */
  readonly brokerFor: readonly string[];
  /** Another one whenever anything else is. */
  readonly revision: bigint;
  /** SVIDs that were issued before are renewed at once; by the authority's clock, so that only a change of it means something here. */
  readonly renewIssuedBeforeMs: number;
}

/** The entry of a message. An entry without selectors is refused: everybody would match it. */
export function parseEntry(entry: Entry): Result<ServedEntry, SpiffeError | RangeError> {
  const spiffeId = parseSpiffeId(entry.spiffeId);
  if (!spiffeId.ok) return spiffeId;
  if (entry.selectors.length === 0) return { ok: false, error: new RangeError(`the entry \`${entry.name}\` has no selectors`) };
  const federatesWith: TrustDomain[] = [];
  for (const name of entry.federatesWith) {
    const domain = parseTrustDomain(name);
    if (!domain.ok) return domain;
    federatesWith.push(domain.value);
  }
  return ok({
    id: entry.id,
    name: entry.name,
    spiffeId: spiffeId.value,
    selectors: entry.selectors,
    x509TtlMs: Number(entry.x509TtlMs),
    jwtTtlMs: Number(entry.jwtTtlMs),
    federatesWith,
    hint: entry.hint,
    componentClass: entry.componentClass,
    brokerFor: entry.brokerFor,
    revision: entry.revision,
    renewIssuedBeforeMs: Number(entry.renewIssuedBeforeMs),
  });
}
