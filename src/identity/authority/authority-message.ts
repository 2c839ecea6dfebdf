/** From the authority's values to the messages of `authority.proto`. */
import { create } from "@bufbuild/protobuf";
import {
  type AuthorityState,
  AuthorityStateSchema,
  type Bundles,
  BundlesSchema,
  type Denials as DenialsMessage,
  DenialsSchema,
  type Entry as EntryMessage,
  EntrySchema,
  type X509Svid,
  X509SvidSchema,
} from "../generated/vigil/authority/v1/authority_pb.ts";
import type { Authority } from "./authority.ts";
import type { AuthorityKind, AuthorityRecord } from "./authority-record.ts";
import type { Denials } from "./denials.ts";
import type { Entry } from "./entry.ts";
import { phaseEndMs } from "./rotation.ts";
import type { IssuedX509Svid } from "./svid-issuer.ts";

const MESSAGES = new WeakMap<Entry, EntryMessage>();
let revisions = 0n;

/** The message of an entry; entries are replaced, never changed, so the revision is that of the object. */
export function entryMessage(entry: Entry): EntryMessage {
  const known = MESSAGES.get(entry);
  if (known !== undefined) return known;
  revisions += 1n;
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
    revision: revisions,
    renewIssuedBeforeMs: BigInt(entry.renewIssuedBeforeMs),
    componentClass: entry.class,
  });
  MESSAGES.set(entry, message);
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
