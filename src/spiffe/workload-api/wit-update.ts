/** WIT-SVIDs as the Workload API sends them: a token, and the private key that it is bound to. UNTRUSTED. */
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { isJsonObject } from "../../lib/json.ts";
import { ok, type Result } from "../../lib/result.ts";
import { parseStrictJson } from "../../lib/strict-json.ts";
import type { TokenClock } from "../compact-jws.ts";
import type { WITSVIDResponse } from "../generated/spiffe/workload_pb.ts";
import { refuse, type SpiffeError, shown } from "../spiffe-error.ts";
import { parseUnverifiedWitSvid, type WitSvid } from "../wit-svid.ts";
import { MAX_SVIDS, withDistinctHints } from "./client.ts";

export interface FetchedWitSvid {
  readonly svid: WitSvid;
  /** With it the process proves that the token is its own. */
  readonly privateKey: KeyObject;
  /** What the operator says that the identity is for; empty when nothing. */
  readonly hint: string;
}

/** Not empty, the default first. */
export type WitUpdate = readonly [FetchedWitSvid, ...FetchedWitSvid[]];

/** A message with an empty mandatory field, or with a token that is not its key's, is refused as a whole. */
export function readWitUpdate({ svids }: WITSVIDResponse, clock: TokenClock): Result<WitUpdate, SpiffeError> {
  if (svids.length > MAX_SVIDS) return refuse("workload-api-mandatory", `expected at most ${MAX_SVIDS} SVIDs, got ${svids.length}`);
  const read: FetchedWitSvid[] = [];
  for (const { spiffeId, witSvid, witSvidKey, hint } of svids) {
    if (spiffeId === "" || witSvid === "" || witSvidKey === "")
      return refuse("workload-api-mandatory", "a WIT-SVID came without its ID, its token or its key");
    const svid = parseUnverifiedWitSvid(witSvid, clock);
    if (!svid.ok) return svid;
    if (svid.value.id !== spiffeId) return refuse("workload-api-id", `the token is of ${shown(svid.value.id)}, not of ${shown(spiffeId)}`);
    const privateKey = privateKeyOf(witSvidKey);
    if (privateKey === undefined || !createPublicKey(privateKey).equals(svid.value.confirmation.publicKey))
      return refuse("wit-confirmation", "the key beside the token is not the one that the token is bound to");
    read.push({ svid: svid.value, privateKey, hint });
  }
  const [first, ...rest] = withDistinctHints(read);
  return first === undefined ? refuse("workload-api-mandatory", "expected a WIT-SVID, got none") : ok([first, ...rest]);
}

/** Of private keys, RFC 7518 §6.2 and §6.3. */
const KEY_MEMBERS = ["kty", "crv", "x", "y", "d", "n", "e", "p", "q", "dp", "dq", "qi"] as const;

function privateKeyOf(text: string): KeyObject | undefined {
  const jwk = parseStrictJson(Buffer.from(text));
  if (!jwk.ok || !isJsonObject(jwk.value)) return undefined;
  const { value } = jwk;
  const members = KEY_MEMBERS.flatMap((name) => (typeof value[name] === "string" ? [[name, value[name]] as const] : []));
  try {
    return createPrivateKey({ key: Object.fromEntries(members), format: "jwk" });
  } catch {
    return undefined;
  }
}
