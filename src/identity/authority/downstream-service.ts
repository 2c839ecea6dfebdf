/**
 * The authority for authorities below it, in the words of SPIRE's server API, so that a SPIRE server takes ours as its upstream authority
 * (plugin `spire`) as another Vigil does. Callers are workloads of the trust domain whose registration says `downstream`.
 */
import { TLSSocket } from "node:tls";
import type { CallContext } from "../../grpc/call-context.ts";
import { GrpcError } from "../../grpc/grpc-error.ts";
import { implementService, type ServiceImplementation } from "../../grpc/service.ts";
import { VigilError } from "../../lib/error.ts";
import { presentedChain } from "../../service/presented-chain.ts";
import { trustDomainOf } from "../../spiffe/spiffe-id.ts";
import { verifyX509Svid } from "../../spiffe/x509-svid.ts";
import { Bundle as BundleApi } from "../generated/spire/api/server/bundle/v1/bundle_pb.ts";
import { SVID as SvidApi } from "../generated/spire/api/server/svid/v1/svid_pb.ts";
import type { Authority } from "./authority.ts";
import { asCallFailure, unwrap } from "./authority-service.ts";
import { CallRate } from "./call-rate.ts";
import { readCertificationRequest, readSubjectKey } from "./certification-request.ts";
import type { Entry } from "./entry.ts";
import type { ForeignTokenKey } from "./foreign-trust.ts";
import { serialText } from "./serial.ts";

export interface DownstreamServiceOptions {
  readonly authority: Authority;
  readonly nowMs: () => number;
  /** Has a key trusted further up, where there is an authority above. */
  readonly publishAbove: ((key: ForeignTokenKey) => Promise<void>) | undefined;
}

/** For each authority below. */
const RATE = { perSecond: 5, burst: 20 };
/** Anybody may ask for the bundle. */
const BUNDLE_RATE = { perSecond: 200, burst: 500 };
const MAX_KEY_ID_CHARACTERS = 512;
const LONGEST_KEY_MS = 90 * 24 * 3_600_000;

export function downstreamServices({ authority, nowMs, publishAbove }: DownstreamServiceOptions): readonly ServiceImplementation[] {
  const rate = new CallRate(RATE, () => performance.now());
  const bundleRate = new CallRate(BUNDLE_RATE, () => performance.now());
  const callerOf = (context: CallContext): Entry => {
    const entry = downstreamEntry(authority, context, nowMs());
    if (!rate.take(entry.spiffeId)) throw new GrpcError("RESOURCE_EXHAUSTED", `\`${entry.spiffeId}\` asks too often`);
    return entry;
  };

  const svids = implementService(SvidApi, {
    newDownstreamX509CA: async ({ csr, preferredTtl }, context) => {
      const entry = callerOf(context);
      const publicKey = unwrap(readCertificationRequest(csr));
      if (preferredTtl < 0) throw new GrpcError("INVALID_ARGUMENT", "expected a lifetime that is not negative");
      const issued = unwrap(await authority.signDownstream(entry, publicKey, preferredTtl * 1000));
      return {
        caCertChain: [...issued.certificates],
        x509Authorities: authority.authorities.bundle.x509Authorities.map(({ der }) => der),
      };
    },
  });

  const bundles = implementService(BundleApi, {
    getBundle: () => {
      if (!bundleRate.take("all")) throw new GrpcError("RESOURCE_EXHAUSTED", "the bundle is asked for too often");
      return bundleMessage(authority);
    },
    publishJWTAuthority: async ({ jwtAuthority }, context) => {
      const { spiffeId } = callerOf(context);
      const { keyId = "", publicKey = new Uint8Array(0), expiresAt = 0n } = jwtAuthority ?? {};
      if (keyId === "" || keyId.length > MAX_KEY_ID_CHARACTERS) throw new GrpcError("INVALID_ARGUMENT", "expected the ID of a key");
      unwrap(readSubjectKey(publicKey));
      const longestMs = nowMs() + LONGEST_KEY_MS;
      const expiresAtMs = expiresAt === 0n ? longestMs : Math.min(longestMs, Number(expiresAt) * 1000);
      if (expiresAtMs <= nowMs()) throw new GrpcError("INVALID_ARGUMENT", "the key has expired");
      const key = { keyId, publicKeyInfo: publicKey, expiresAtMs };
      try {
        await authority.authorities.publish({ ...key, publisher: spiffeId });
        await publishAbove?.(key);
      } catch (thrown) {
        throw thrown instanceof VigilError ? asCallFailure(thrown) : thrown;
      }
      return { jwtAuthorities: bundleMessage(authority).jwtAuthorities };
    },
  });
  return [svids, bundles];
}

/** The registration of who calls. Throws a `GrpcError` for whoever is no authority below. UNTRUSTED: the caller. */
function downstreamEntry(authority: Authority, { session }: CallContext, nowMs: number): Entry {
  const chain = session.socket instanceof TLSSocket ? presentedChain(session.socket) : [];
  if (chain.length === 0) throw new GrpcError("UNAUTHENTICATED", "an authority below shows its X.509-SVID");
  const verified = verifyX509Svid(chain, authority, { nowMs });
  if (!verified.ok) throw new GrpcError("UNAUTHENTICATED", verified.error.message, { cause: verified.error });
  const { id, path } = verified.value;
  const { denials, entries } = authority.shared;
  const isDenied = denials.spiffeIds.has(id) || path.some(({ serial }) => denials.serials.has(serialText(bytesOf(serial))));
  if (trustDomainOf(id) === authority.trustDomain && !isDenied)
    for (const entry of entries.values()) if (entry.downstream && entry.spiffeId === id) return entry;
  throw new GrpcError("PERMISSION_DENIED", `\`${id}\` is no authority below this one: no workload with this identity is \`downstream\``);
}

function bytesOf(serial: bigint): Uint8Array {
  const hex = serial.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), "0"), "hex");
}

interface BundleFields {
  readonly trustDomain: string;
  readonly x509Authorities: { asn1: Uint8Array; tainted: boolean }[];
  readonly jwtAuthorities: { publicKey: Uint8Array; keyId: string; expiresAt: bigint; tainted: boolean }[];
  readonly refreshHint: bigint;
  readonly sequenceNumber: bigint;
}

function bundleMessage(authority: Authority): BundleFields {
  const { bundle, taintedIds, refreshHintSeconds } = authority.authorities;
  const { authorities, downstreamKeys, upstream } = authority.journal.state;
  const expiries = new Map<string, number>([
    ...[...(upstream?.jwtKeys ?? []), ...downstreamKeys].map(({ keyId, expiresAtMs }) => [keyId, expiresAtMs] as const),
    ...authorities.map(({ id, notAfterMs }) => [id, notAfterMs] as const),
  ]);
  const tainted = new Set([...taintedIds, ...(upstream?.taintedIds ?? [])]);
  return {
    trustDomain: authority.trustDomain,
    x509Authorities: bundle.x509Authorities.map(({ der, subjectKeyIdentifier }) => ({
      asn1: der,
      tainted: tainted.has(Buffer.from(subjectKeyIdentifier ?? []).toString("hex")),
    })),
    jwtAuthorities: [...bundle.jwtKeys.values()].map(({ keyId, publicKey }) => ({
      keyId,
      publicKey: publicKey.export({ type: "spki", format: "der" }),
      expiresAt: BigInt(Math.floor((expiries.get(keyId) ?? 0) / 1000)),
      tainted: tainted.has(keyId),
    })),
    refreshHint: BigInt(refreshHintSeconds),
    sequenceNumber: bundle.sequence ?? 0n,
  };
}
