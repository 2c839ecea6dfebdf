/**
 * Verification of presented chains, remembered. A verdict depends on the octets of the chain, the bundle of its trust domain and the time
 * alone; so it holds for the same octets while the authorities are the same and the time lies where every certificate of the path is
 * valid. Only good verdicts are kept: a stranger cannot fill the memory, since only authorities make chains that verify.
 */
import { createHash } from "node:crypto";
import { err, ok, type Result } from "../lib/result.ts";
import type { TrustBundle } from "../spiffe/bundle.ts";
import type { BundleSource } from "../spiffe/bundle-source.ts";
import type { SpiffeError } from "../spiffe/spiffe-error.ts";
import { trustDomainOf } from "../spiffe/spiffe-id.ts";
import { isSame } from "../spiffe/x509-certificate.ts";
import { type VerifiedX509Svid, verifyX509Svid } from "../spiffe/x509-svid.ts";

interface Verdict {
  readonly svid: VerifiedX509Svid;
  readonly bundle: TrustBundle | undefined;
  readonly validFromMs: number;
}

const MAX_REMEMBERED = 4_096;

export class VerifiedChains {
  readonly #bundles: BundleSource;
  /** By digest, the longest unused first. */
  readonly #verdicts = new Map<string, Verdict>();

  constructor(bundles: BundleSource) {
    this.#bundles = bundles;
  }

  /** As `verifyX509Svid`. UNTRUSTED: the chain. */
  verify(chain: readonly Uint8Array[], nowMs: number): Result<VerifiedX509Svid, SpiffeError> {
    const digest = digestOf(chain);
    const known = this.#verdicts.get(digest);
    if (known !== undefined && this.#holds(known, nowMs)) {
      this.#verdicts.delete(digest);
      this.#verdicts.set(digest, known);
      return ok(known.svid);
    }
    this.#verdicts.delete(digest);
    const verified = verifyX509Svid(chain, this.#bundles, { nowMs });
    if (!verified.ok) return err(verified.error);
    const svid = verified.value;
    const bundle = this.#bundles.bundleOf(trustDomainOf(svid.id));
    this.#verdicts.set(digest, { svid, bundle, validFromMs: Math.max(...svid.path.map(({ notBeforeMs }) => notBeforeMs)) });
    const [longestUnused] = this.#verdicts.size > MAX_REMEMBERED ? this.#verdicts.keys() : [];
    if (longestUnused !== undefined) this.#verdicts.delete(longestUnused);
    return ok(svid);
  }

  #holds({ svid, bundle, validFromMs }: Verdict, nowMs: number): boolean {
    const current = this.#bundles.bundleOf(trustDomainOf(svid.id));
    return hasSameAuthorities(bundle, current) && nowMs >= validFromMs && nowMs <= svid.validUntilMs;
  }
}

/** An agent sends all bundles again with each change: most are as they were. */
function hasSameAuthorities(one: TrustBundle | undefined, other: TrustBundle | undefined): boolean {
  if (one === other) return true;
  const [left, right] = [one?.x509Authorities ?? [], other?.x509Authorities ?? []];
  return left.length === right.length && left.every(({ der }, index) => isSame(der, right[index]?.der ?? NONE));
}

const NONE = new Uint8Array();

/** Of the octets with their borders: DER tells its own length, so a concatenation has one reading. */
function digestOf(chain: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const der of chain) hash.update(der);
  return hash.digest("base64");
}
