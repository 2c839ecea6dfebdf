/** `vigil.authority.v1.AuthorityAdmin`: what the command line calls, over the unix socket. */

import { create } from "@bufbuild/protobuf";
import type { CallContext } from "../../grpc/call-context.ts";
import { GrpcError } from "../../grpc/grpc-error.ts";
import { implementService, type ServiceImplementation } from "../../grpc/service.ts";
import { formatDuration } from "../../lib/duration.ts";
import { VigilError } from "../../lib/error.ts";
import { encodeJson } from "../../lib/json.ts";
import { COMPONENT_CLASSES, type ComponentClass } from "../../resource/workload.ts";
import { jsonOfTrustBundle, parseTrustBundle } from "../../spiffe/bundle.ts";
import { parseFederationEndpoint } from "../../spiffe/federation.ts";
import { parseSpiffeId, parseTrustDomain, pathOf, type SpiffeId } from "../../spiffe/spiffe-id.ts";
import type { BundleStore } from "../federation/bundle-store.ts";
import type { Federation, FederationStatus } from "../federation/federation.ts";
import {
  AuthorityAdmin,
  type AuthorityState,
  type FederateRequest,
  type FederationState,
  FederationStateSchema,
  type MintX509SvidRequest,
} from "../generated/vigil/authority/v1/authority_pb.ts";
import type { Authority, MintRequest } from "./authority.ts";
import { authorityError } from "./authority-error.ts";
import { authorityStateMessage, bundlesMessage, denialsMessage, entryMessage, svidMessage } from "./authority-message.ts";
import { AUTHORITY_KINDS, type AuthorityKind, type AuthorityRecord } from "./authority-record.ts";
import { asCallFailure, unwrap } from "./authority-service.ts";
import { CallerIdentification } from "./caller.ts";
import type { ConnectedAgents } from "./connected-agents.ts";
import type { CommandedRelation } from "./journal.ts";
import type { Requester } from "./svid-issuer.ts";

export interface AdminServiceOptions {
  readonly authority: Authority;
  readonly federation: Federation;
  readonly bundleStore: BundleStore;
  readonly connected: ConnectedAgents;
  readonly nowMs: () => number;
  /** The longest SVID that may be minted without attestation. */
  readonly maxMintTtlMs: number;
  /** The wanted relations have changed in the journal. */
  readonly onRelations: () => void;
  /** An administrator did something. */
  readonly onCommand: (news: CommandNews) => void;
}

export interface CommandNews {
  readonly requester: Requester;
  readonly action: "deny" | "allow again" | "rotate" | "mint" | "create join token" | "federate" | "end federation";
  readonly object: string;
  readonly message: string;
}

const MAX_PAGE = 1000;
/** So that a page of large entries fits into a message too. */
const MAX_PAGE_BYTES = 2 * 1024 * 1024;
const MAX_AT_ONCE = 1000;
const MAX_RELATIONS = 1000;
const DEFAULT_TOKEN_MS = 10 * 60_000;
const MAX_TOKEN_MS = 24 * 60 * 60_000;
const MAX_REASON = 1024;

export function adminService(options: AdminServiceOptions): ServiceImplementation {
  const { authority, federation, connected, onCommand, nowMs } = options;
  const callers = new CallerIdentification(authority, nowMs);
  const adminOf = (context: CallContext): Requester => {
    const caller = callers.callerOf(context);
    if (caller.kind !== "local") throw new GrpcError("PERMISSION_DENIED", "only this machine may administer the authority");
    return { name: caller.requester.name, agentId: "" };
  };
  const shown = (record: AuthorityRecord): { readonly authority: AuthorityState } => ({
    authority: authorityStateMessage(record, authority.authorities.records),
  });

  return implementService(AuthorityAdmin, {
    async showTrust(_, context) {
      adminOf(context);
      const { records, bundle, refreshHintSeconds } = authority.authorities;
      return {
        trustDomain: authority.trustDomain,
        bundleSequence: bundle.sequence ?? 0n,
        refreshHintSeconds,
        authorities: records.map((record) => authorityStateMessage(record, records)),
        federation: federation.status().map(federationMessage),
        entryCount: authority.shared.entries.size,
        agentCount: connected.count,
        denials: denialsMessage(authority.shared.denials),
        bundle: Buffer.from(encodeJson(jsonOfTrustBundle(bundle))),
      };
    },
    async prepareAuthority({ kind }, context) {
      adminOf(context);
      return failing(async () => shown(await authority.authorities.prepare(kindOf(kind))));
    },
    async activateAuthority({ kind, authorityId, force }, context) {
      adminOf(context);
      return failing(async () =>
        shown(await authority.authorities.activate(kindOf(kind), authorityId === "" ? undefined : authorityId, force)),
      );
    },
    async taintAuthority({ authorityId }, context) {
      adminOf(context);
      return failing(async () => shown(await authority.authorities.taint(authorityId)));
    },
    async revokeAuthority({ authorityId }, context) {
      adminOf(context);
      return failing(async () => shown(await authority.authorities.revoke(authorityId)));
    },
    async deny({ spiffeIds, serials, remove, reason }, context) {
      const requester = adminOf(context);
      const ids = spiffeIds.map(workloadIdOf);
      const wrong = serials.find((serial) => !SERIAL.test(serial));
      if (wrong !== undefined)
        throw new GrpcError(
          "INVALID_ARGUMENT",
          `\`${wrong.slice(0, 50)}\` is no serial number: lower-case hexadecimal, two digits for each octet`,
        );
      if (ids.length + serials.length === 0 || ids.length + serials.length > MAX_AT_ONCE)
        throw new GrpcError("INVALID_ARGUMENT", `expected 1 to ${MAX_AT_ONCE} identities and serials`);
      const change = { spiffeIds: ids, serials, remove, reason: reason.slice(0, MAX_REASON) };
      const denials = await failing(() => authority.deny(change));
      const object = [...ids, ...serials].join(", ");
      onCommand({ requester, action: remove ? "allow again" : "deny", object, message: change.reason });
      return { denials: denialsMessage(denials) };
    },
    async rotateSvids({ spiffeIds }, context) {
      const requester = adminOf(context);
      if (spiffeIds.length > MAX_AT_ONCE) throw new GrpcError("INVALID_ARGUMENT", `expected at most ${MAX_AT_ONCE} identities`);
      const ids = spiffeIds.map(workloadIdOf);
      const entryCount = await failing(() => authority.rotate(ids));
      onCommand({
        requester,
        action: "rotate",
        object: ids.length === 0 ? "all identities" : ids.join(", "),
        message: `${entryCount} entries are renewed`,
      });
      return { entryCount };
    },
    async listEntries({ pageToken, pageSize }, context) {
      adminOf(context);
      return pageOf(authority, pageToken, pageSize === 0 ? MAX_PAGE : Math.min(pageSize, MAX_PAGE));
    },
    async mintX509Svid({ spiffeId, publicKey, ttlMs, dnsNames, componentClass }, context) {
      const requester = adminOf(context);
      const svid = unwrap(
        await authority.mintX509(mintRequestOf(options, { spiffeId, ttlMs, dnsNames, componentClass }), publicKey, requester),
      );
      onCommand({ requester, action: "mint", object: svid.spiffeId, message: `serial ${svid.serial}` });
      return { svid: svidMessage(svid), bundles: bundlesMessage(authority) };
    },
    async mintJwtSvid({ spiffeId, audience, ttlMs }, context) {
      const requester = adminOf(context);
      const minted = unwrap(
        await authority.mintJwt(mintRequestOf(options, { spiffeId, ttlMs, dnsNames: [], componentClass: "" }), audience, requester),
      );
      onCommand({ requester, action: "mint", object: minted.spiffeId, message: `a token for ${audience.join(", ")}` });
      return { token: minted.token, expiresAtMs: BigInt(minted.expiresAtMs) };
    },
    async createJoinToken({ agentName, ttlMs }, context) {
      const requester = adminOf(context);
      const wantedMs = ttlMs === 0n ? DEFAULT_TOKEN_MS : Number(ttlMs);
      if (!(wantedMs > 0 && wantedMs <= MAX_TOKEN_MS)) throw new GrpcError("INVALID_ARGUMENT", "a join token lives at most a day");
      const { token, agentId, expiresAtMs } = await failing(() => authority.createJoinToken(agentName, wantedMs));
      onCommand({ requester, action: "create join token", object: agentId, message: `until ${new Date(expiresAtMs).toISOString()}` });
      return { token, agentId, expiresAtMs: BigInt(expiresAtMs) };
    },
    async federate(request, context) {
      const requester = adminOf(context);
      const state = await failing(() => federate(options, request));
      onCommand({
        requester,
        action: request.remove ? "end federation" : "federate",
        object: request.trustDomain,
        message: request.endpointUrl,
      });
      return state === undefined ? {} : { federation: state };
    },
  });
}

const SERIAL = /^(?!00)(?:[0-9a-f]{2}){1,20}$/;

/** Runs the work; an error of the authority ends the call with its own words. */
async function failing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (thrown instanceof VigilError) throw asCallFailure(thrown);
    if (thrown instanceof RangeError) throw new GrpcError("INVALID_ARGUMENT", thrown.message, { cause: thrown });
    throw thrown;
  }
}

function kindOf(text: string): AuthorityKind {
  const kind = AUTHORITY_KINDS.find((known) => known === text);
  if (kind === undefined) throw new GrpcError("INVALID_ARGUMENT", `expected x509, jwt or wit, got \`${text.slice(0, 50)}\``);
  return kind;
}

function workloadIdOf(text: string): SpiffeId {
  const id = parseSpiffeId(text);
  if (!id.ok) throw new GrpcError("INVALID_ARGUMENT", id.error.message, { cause: id.error });
  if (pathOf(id.value) === "")
    throw new GrpcError("INVALID_ARGUMENT", `\`${id.value}\` is a trust domain: the ID of a workload has a path`);
  return id.value;
}

const LABEL = /^(?=.{1,253}$)(?:\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/;

function mintRequestOf(
  { maxMintTtlMs }: AdminServiceOptions,
  {
    spiffeId,
    ttlMs,
    dnsNames,
    componentClass,
  }: Pick<MintX509SvidRequest, "spiffeId" | "ttlMs" | "componentClass"> & { readonly dnsNames: readonly string[] },
): MintRequest {
  const wantedMs = ttlMs === 0n ? undefined : Number(ttlMs);
  const name = classOf(componentClass);
  // No way past the lifetimes of the classes but a class that is named (requirement I12).
  const longestMs = Math.min(maxMintTtlMs, COMPONENT_CLASSES[name].maxX509TtlMs);
  if (wantedMs !== undefined && !(wantedMs >= 1000 && wantedMs <= longestMs))
    throw new GrpcError("INVALID_ARGUMENT", `expected a lifetime from 1 s to ${formatDuration(longestMs)} in the class \`${name}\``);
  const wrong = dnsNames.find((name) => !LABEL.test(name));
  if (wrong !== undefined || dnsNames.length > 64)
    throw new GrpcError(
      "INVALID_ARGUMENT",
      `expected up to 64 DNS names in lower case${wrong === undefined ? "" : `, got \`${wrong.slice(0, 100)}\``}`,
    );
  const usualMs = Math.min(longestMs, COMPONENT_CLASSES[name].x509TtlMs);
  return { spiffeId: workloadIdOf(spiffeId), ttlMs: wantedMs ?? (componentClass === "" ? undefined : usualMs), dnsNames, class: name };
}

function classOf(text: string): ComponentClass {
  if (text === "") return "service";
  if (Object.hasOwn(COMPONENT_CLASSES, text)) return text as ComponentClass; // a key of the object
  throw new GrpcError("INVALID_ARGUMENT", `expected the class service, gateway, data or legacy, got \`${text.slice(0, 100)}\``);
}

/** Entries in the order of their IDs, from the one after the token. */
function pageOf(
  authority: Authority,
  after: string,
  size: number,
): { readonly entries: ReturnType<typeof entryMessage>[]; readonly nextPageToken: string } {
  const sorted = [...authority.shared.entries.keys()].filter((id) => id > after).sort();
  const entries: ReturnType<typeof entryMessage>[] = [];
  let bytes = 0;
  for (const id of sorted) {
    const entry = authority.shared.entries.get(id);
    if (entry === undefined) continue;
    bytes += JSON.stringify(entry).length;
    if (entries.length >= size || (bytes > MAX_PAGE_BYTES && entries.length > 0))
      return { entries, nextPageToken: entries.at(-1)?.id ?? "" };
    entries.push(entryMessage(entry));
  }
  return { entries, nextPageToken: "" };
}

const federationMessage = ({ endpoint, origin, bundle, fetchedAtMs, nextFetchAtMs, failure }: FederationStatus): FederationState =>
  create(FederationStateSchema, {
    trustDomain: endpoint.trustDomain,
    endpointUrl: endpoint.url,
    profile: endpoint.profile,
    serverId: endpoint.profile === "https_spiffe" ? endpoint.serverId : "",
    fetchedAtMs: BigInt(fetchedAtMs ?? 0),
    nextFetchAtMs: BigInt(Math.floor(nextFetchAtMs)),
    error: failure ?? "",
    bundleSequence: bundle?.sequence ?? 0n,
    origin,
  });

async function federate(options: AdminServiceOptions, request: FederateRequest): Promise<FederationState | undefined> {
  const { authority, federation, bundleStore, onRelations } = options;
  const domain = parseTrustDomain(request.trustDomain);
  if (!domain.ok) throw new GrpcError("INVALID_ARGUMENT", domain.error.message, { cause: domain.error });
  if (domain.value === authority.trustDomain) throw new GrpcError("INVALID_ARGUMENT", "a trust domain does not federate with itself");
  if (federation.status().some(({ endpoint, origin }) => endpoint.trustDomain === domain.value && origin === "resource"))
    throw new GrpcError("FAILED_PRECONDITION", `the TrustDomain resource says how \`${domain.value}\` is trusted: change it there`);
  const without = (relations: readonly CommandedRelation[]): readonly CommandedRelation[] =>
    relations.filter((known) => known.trustDomain !== domain.value);
  if (request.remove) {
    await authority.journal.update((state) => ({ ...state, relations: without(state.relations) }));
    onRelations();
    return undefined;
  }
  const serverId = request.serverId === "" ? undefined : request.serverId;
  const endpoint = parseFederationEndpoint({ trustDomain: domain.value, url: request.endpointUrl, profile: request.profile, serverId });
  if (!endpoint.ok) throw new GrpcError("INVALID_ARGUMENT", endpoint.error.message, { cause: endpoint.error });
  if (request.bundle.length > 0) {
    const bundle = parseTrustBundle(request.bundle, domain.value);
    if (!bundle.ok) throw new GrpcError("INVALID_ARGUMENT", `the bundle is not one: ${bundle.error.message}`, { cause: bundle.error });
    await bundleStore.save(bundle.value);
    federation.begin(bundle.value);
  }
  const relation: CommandedRelation = { trustDomain: domain.value, url: endpoint.value.url, profile: endpoint.value.profile, serverId };
  await authority.journal.update((state) => {
    const relations = [...without(state.relations), relation];
    if (relations.length > MAX_RELATIONS)
      throw authorityError("AUTHORITY_LIMIT", `more than ${MAX_RELATIONS} trust domains would be trusted by command`);
    return { ...state, relations };
  });
  onRelations();
  await federation.fetchNow(domain.value);
  const status = federation.status().find((known) => known.endpoint.trustDomain === domain.value);
  return status && federationMessage(status);
}
