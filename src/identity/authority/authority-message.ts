/** From the authority's values to the messages of `authority.proto`. */
import { hash } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  type AuthorityState,
  AuthorityStateSchema,
  type Bundles,
  BundlesSchema,
  type Denials as DenialsMessage,
  DenialsSchema,
  type Entry as EntryMessage,
  EntrySchema,
  SyncResponseSchema,
  type X509Svid,
  X509SvidSchema,
} from "../generated/vigil/authority/v1/authority_pb.ts";
import type { Authority } from "./authority.ts";
import type { AuthorityKind, AuthorityRecord } from "./authority-record.ts";
import type { Denials } from "./denials.ts";
import type { Entry } from "./entry.ts";
import { phaseEndMs } from "./rotation.ts";
import type { IssuedX509Svid } from "./svid-issuer.ts";

/** By entry: entries are replaced, never changed. */
const ENCODED = new WeakMap<Entry, Uint8Array>();

/** An entry as a `SyncResponse` has it, with tag and length: such messages are joined by joining their octets. Encoded once for all agents. */
export function encodedEntry(entry: Entry): Uint8Array {
  const known = ENCODED.get(entry);
  if (known !== undefined) return known;
  // Small buffers share their memory.
  const encoded = Buffer.from(toBinary(SyncResponseSchema, create(SyncResponseSchema, { entries: [entryMessage(entry)] })));
  ENCODED.set(entry, encoded);
  return encoded;
}

/**
 * The message of an entry. Its revision follows from its content: an authority that starts again says the same of what did not change,
 * and another thing of what did.
 */
export function entryMessage(entry: Entry): EntryMessage {
  const message = create(EntrySchema, {
    id: entry.id,
    name: entry.name,
    spiffeId: entry.spiffeId,
    selectors: [...entry.selectors],
    x509TtlMs: BigInt(entry.x509TtlMs),
    jwtTtlMs: BigInt(entry.jwtTtlMs),
    rotateAfterMs: BigInt(Math.floor(entry.rotateAfterMs)),
    dnsNames: [...entry.dnsNames],
    ipAddresses: [...entry.ipAddresses],
    brokerFor: [...entry.brokerFor],
    federatesWith: [...entry.federatesWith],
    hint: entry.hint,
    admin: entry.admin,
    downstream: entry.downstream,
    labels: { ...entry.labels },
    renewIssuedBeforeMs: BigInt(entry.renewIssuedBeforeMs),
    componentClass: entry.class,
  });
  message.revision = hash("sha256", toBinary(EntrySchema, message), "buffer").readBigUInt64BE();
  return message;
}

export const svidMessage = (svid: IssuedX509Svid): X509Svid =>
  create(X509SvidSchema, {
    spiffeId: svid.spiffeId,
    certificates: [...svid.certificates],
    serial: svid.serial,
    notBeforeMs: BigInt(svid.notBeforeMs),
    notAfterMs: BigInt(svid.notAfterMs),
    renewAtMs: BigInt(Math.floor(svid.renewAtMs)),
    authorityId: svid.authorityId,
    hint: svid.hint,
  });

export function bundlesMessage(authority: Authority): Bundles {
  const { documents, taintedIds } = authority.shared;
  const active = (kind: AuthorityKind): string =>
    authority.authorities.records.find((record) => record.kind === kind && record.phase === "active")?.id ?? "";
  return create(BundlesSchema, {
    trustDomain: authority.trustDomain,
    documents: Object.fromEntries(documents),
    taintedAuthorityIds: [...taintedIds],
    activeX509AuthorityId: active("x509"),
    activeJwtAuthorityId: active("jwt"),
    activeWitAuthorityId: active("wit"),
  });
}

export const denialsMessage = ({ spiffeIds, serials, authorityIds }: Denials): DenialsMessage =>
  create(DenialsSchema, { spiffeIds: [...spiffeIds], serials: [...serials], authorityIds: [...authorityIds] });

export const authorityStateMessage = (record: AuthorityRecord, siblings: readonly AuthorityRecord[]): AuthorityState =>
  create(AuthorityStateSchema, {
    id: record.id,
    kind: record.kind,
    state: record.phase,
    isTainted: record.isTainted,
    keyType: record.keyType,
    notBeforeMs: BigInt(record.notBeforeMs),
    notAfterMs: BigInt(record.notAfterMs),
    sinceMs: BigInt(record.sinceMs),
    untilMs: BigInt(
      Math.floor(
        phaseEndMs(
          record,
          siblings.filter(({ kind }) => kind === record.kind),
        ) ?? 0,
      ),
    ),
    upstream: record.certificate?.upstream?.name ?? "",
  });
