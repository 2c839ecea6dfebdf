/** The journal as JSON. What is read was written by Vigil, and is checked all the same: a disk or a person may have changed it. */
import { encodeJson, isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../../lib/json.ts";
import { parseStrictJson } from "../../lib/strict-json.ts";
import { parseTrustDomain } from "../../spiffe/spiffe-id.ts";
import { authorityError } from "./authority-error.ts";
import type { AuthorityCertificate, AuthorityRecord } from "./authority-record.ts";
import type { DownstreamKey, ForeignTokenKey, UpstreamTrust } from "./foreign-trust.ts";
import type { CommandedRelation, Denial, JoinToken, JournalState } from "./journal.ts";

const VERSION = 1;

export function encodeJournal(state: JournalState): string {
  return encodeJson({
    version: VERSION,
    trustDomain: state.trustDomain,
    sequence: state.sequence.toString(),
    authorities: state.authorities.map(encodeRecord),
    deniedIds: state.deniedIds.map(encodeDenial),
    deniedSerials: state.deniedSerials.map(encodeDenial),
    deniedAuthorities: state.deniedAuthorities.map(encodeDenial),
    renewals: [...state.renewals].map(([id, beforeMs]) => [id, beforeMs]),
    joinTokens: state.joinTokens.map((token) => ({ ...token })),
    relations: state.relations.map(({ serverId, ...relation }) => ({ ...relation, ...(serverId === undefined ? {} : { serverId }) })),
    downstreamKeys: state.downstreamKeys.map((key) => ({ ...encodeKey(key), publisher: key.publisher })),
    ...(state.upstream === undefined ? {} : { upstream: encodeUpstream(state.upstream) }),
  });
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

const encodeKey = ({ keyId, publicKeyInfo, expiresAtMs }: ForeignTokenKey): JsonObject => ({
  keyId,
  publicKeyInfo: base64(publicKeyInfo),
  expiresAtMs,
});

const encodeUpstream = ({ roots, taintedIds, jwtKeys }: UpstreamTrust): JsonObject => ({
  roots: roots.map(base64),
  taintedIds: [...taintedIds],
  jwtKeys: jwtKeys.map(encodeKey),
});

const encodeDenial = ({ untilMs, ...denial }: Denial): JsonObject => ({ ...denial, ...(untilMs === undefined ? {} : { untilMs }) });

function encodeRecord({ certificate, publicKeyInfo, ...record }: AuthorityRecord): JsonObject {
  return {
    ...record,
    publicKeyInfo: base64(publicKeyInfo),
    ...(certificate === undefined ? {} : { certificate: encodeCertificate(certificate) }),
  };
}

function encodeCertificate({ der, upstream }: AuthorityCertificate): JsonObject {
  if (upstream === undefined) return { der: base64(der) };
  const { name, intermediates, roots } = upstream;
  return { der: base64(der), upstream: { name, intermediates: intermediates.map(base64), roots: roots.map(base64) } };
}

/** The state of a text. Throws `AUTHORITY_STATE_DAMAGED` with the first thing that is not as it is written. */
export function decodeJournal(text: Uint8Array): JournalState {
  const json = parseStrictJson(text);
  if (!json.ok) throw damaged(json.error.message);
  const root = new Fields(json.value, "the journal");
  if (root.number("version") !== VERSION) throw damaged(`expected version ${VERSION}; a newer Vigil wrote it`);
  const trustDomain = parseTrustDomain(root.text("trustDomain"));
  if (!trustDomain.ok) throw damaged(trustDomain.error.message);
  const sequence = root.text("sequence");
  if (!/^\d{1,20}$/.test(sequence)) throw damaged("`sequence` is no number");
  return {
    trustDomain: trustDomain.value,
    sequence: BigInt(sequence),
    authorities: root.list("authorities", decodeRecord),
    deniedIds: root.list("deniedIds", decodeDenial),
    deniedSerials: root.list("deniedSerials", decodeDenial),
    deniedAuthorities: root.list("deniedAuthorities", decodeDenial),
    renewals: new Map(root.list("renewals", decodeRenewal)),
    joinTokens: root.list("joinTokens", decodeToken),
    relations: root.list("relations", decodeRelation),
    downstreamKeys: root.optional("downstreamKeys") === undefined ? [] : root.list("downstreamKeys", decodeDownstreamKey),
    upstream: decodeUpstream(root.optional("upstream")),
  };
}

const decodeDenial = (value: JsonValue): Denial => {
  const fields = new Fields(value, "a denial");
  return {
    value: fields.text("value"),
    reason: fields.text("reason"),
    sinceMs: fields.number("sinceMs"),
    untilMs: fields.optionalNumber("untilMs"),
  };
};

function decodeRenewal(value: JsonValue): readonly [string, number] {
  const [id, beforeMs] = isJsonArray(value) ? value : [];
  if (typeof id !== "string" || typeof beforeMs !== "number") throw damaged("a renewal is no pair of text and number");
  return [id, beforeMs];
}

const decodeKey = (value: JsonValue): ForeignTokenKey => {
  const fields = new Fields(value, "a key");
  return { keyId: fields.text("keyId"), publicKeyInfo: fields.bytes("publicKeyInfo"), expiresAtMs: fields.number("expiresAtMs") };
};

const decodeDownstreamKey = (value: JsonValue): DownstreamKey => ({
  ...decodeKey(value),
  publisher: new Fields(value, "a key").text("publisher"),
});

function decodeUpstream(value: JsonValue | undefined): UpstreamTrust | undefined {
  if (value === undefined) return undefined;
  const fields = new Fields(value, "what is trusted above");
  return {
    roots: fields.list("roots", decodeBytes),
    taintedIds: fields.list("taintedIds", (id) => {
      if (typeof id !== "string") throw damaged("expected the ID of an authority");
      return id;
    }),
    jwtKeys: fields.list("jwtKeys", decodeKey),
  };
}

const decodeToken = (value: JsonValue): JoinToken => {
  const fields = new Fields(value, "a token");
  return { digest: fields.text("digest"), agentName: fields.text("agentName"), expiresAtMs: fields.number("expiresAtMs") };
};

function decodeRelation(value: JsonValue): CommandedRelation {
  const fields = new Fields(value, "a relation");
  const trustDomain = parseTrustDomain(fields.text("trustDomain"));
  if (!trustDomain.ok) throw damaged(trustDomain.error.message);
  const profile = fields.oneOf("profile", ["https_web", "https_spiffe"]);
  return { trustDomain: trustDomain.value, url: fields.text("url"), profile, serverId: fields.optionalText("serverId") };
}

function decodeRecord(value: JsonValue): AuthorityRecord {
  const fields = new Fields(value, "an authority");
  const kind = fields.oneOf("kind", ["x509", "jwt", "wit"]);
  const certificate = fields.optional("certificate");
  if ((kind === "x509") !== (certificate !== undefined))
    throw damaged("an authority has a certificate that it should not have, or lacks it");
  return {
    id: fields.text("id"),
    kind,
    phase: fields.oneOf("phase", ["prepared", "active", "old", "gone"]),
    sinceMs: fields.number("sinceMs"),
    keyName: fields.text("keyName"),
    keyType: fields.oneOf("keyType", ["ec-p256", "ec-p384", "rsa-2048", "rsa-3072", "rsa-4096"]),
    publicKeyInfo: fields.bytes("publicKeyInfo"),
    notBeforeMs: fields.number("notBeforeMs"),
    notAfterMs: fields.number("notAfterMs"),
    isTainted: fields.flag("isTainted"),
    certificate: certificate === undefined ? undefined : decodeCertificate(certificate),
  };
}

function decodeCertificate(value: JsonValue): AuthorityCertificate {
  const fields = new Fields(value, "a certificate");
  const upstream = fields.optional("upstream");
  if (upstream === undefined) return { der: fields.bytes("der"), upstream };
  const above = new Fields(upstream, "an upstream authority");
  const [intermediates, roots] = [above.list("intermediates", decodeBytes), above.list("roots", decodeBytes)];
  return { der: fields.bytes("der"), upstream: { name: above.text("name"), intermediates, roots } };
}

function decodeBytes(value: JsonValue): Uint8Array {
  const bytes = typeof value === "string" ? Buffer.from(value, "base64") : undefined;
  if (bytes === undefined || bytes.length === 0 || bytes.toString("base64") !== value) throw damaged("expected base64");
  return bytes;
}

/** The members of an object that must be one. */
class Fields {
  readonly #members: JsonObject;
  readonly #what: string;

  constructor(value: JsonValue, what: string) {
    if (!isJsonObject(value)) throw damaged(`${what} is no object`);
    this.#members = value;
    this.#what = what;
  }

  optional(name: string): JsonValue | undefined {
    return this.#members[name];
  }

  text(name: string): string {
    const value = this.#members[name];
    if (typeof value !== "string") throw this.#wrong(name);
    return value;
  }

  optionalText(name: string): string | undefined {
    return this.#members[name] === undefined ? undefined : this.text(name);
  }

  number(name: string): number {
    const value = this.#members[name];
    if (typeof value !== "number") throw this.#wrong(name);
    return value;
  }

  optionalNumber(name: string): number | undefined {
    return this.#members[name] === undefined ? undefined : this.number(name);
  }

  flag(name: string): boolean {
    const value = this.#members[name];
    if (typeof value !== "boolean") throw this.#wrong(name);
    return value;
  }

  oneOf<T extends string>(name: string, words: readonly T[]): T {
    const found = words.find((word) => word === this.#members[name]);
    if (found === undefined) throw this.#wrong(name);
    return found;
  }

  bytes(name: string): Uint8Array {
    return decodeBytes(this.#members[name] ?? null);
  }

  list<T>(name: string, decode: (value: JsonValue) => T): readonly T[] {
    const value = this.#members[name];
    if (value === undefined || !isJsonArray(value)) throw this.#wrong(name);
    return value.map(decode);
  }

  #wrong(name: string): Error {
    return damaged(`\`${name}\` of ${this.#what} is missing or of another type`);
  }
}

const damaged = (reason: string): Error =>
  authorityError("AUTHORITY_STATE_DAMAGED", `the authority's journal is damaged: ${reason}`, {
    hint: "restore it from a backup; a new authority would not be trusted by anyone",
  });
