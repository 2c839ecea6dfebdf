/** Issues SVIDs: refuses what is denied or against the rules, and tells of every SVID and every refusal. */
import type { KeyObject } from "node:crypto";
import { sign } from "node:crypto";
import { type CertificateProfile, EMPTY_NAME, encodeSigned, encodeToBeSigned, type SubjectName } from "../../lib/certificate.ts";
import { VigilError } from "../../lib/error.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import { signJwtSvid, signJwtSvidRemotely } from "../../spiffe/jwt-svid.ts";
import type { SpiffeId } from "../../spiffe/spiffe-id.ts";
import { isFitting, isTokenAlgorithm } from "../../spiffe/token-key.ts";
import { signWitSvid, signWitSvidRemotely } from "../../spiffe/wit-svid.ts";
import type { CertificateSigner, JwsSigner } from "./active-signers.ts";
import type { AuthorityErrorCode } from "./authority-error.ts";
import type { AuthoritySet } from "./authority-set.ts";
import { readSubjectKey, type SubjectKeyErrorCode, subjectKeyProblem } from "./certification-request.ts";
import type { Denials } from "./denials.ts";
import { type DownstreamRequest, downstreamTtlMs, mayHaveDownstream, prepareDownstream } from "./downstream-certificate.ts";
import type { IdentityPolicy, RuleRefusal, WorkloadFacts } from "./identity-policy.ts";
import { BACKDATE_MS } from "./make-authority.ts";
import { SerialSource, serialText } from "./serial.ts";

/** Why an SVID is refused. Each is a row in ERRORS.md. */
export type IssuanceErrorCode =
  | "IDENTITY_DENIED"
  | "IDENTITY_RULE"
  | "IDENTITY_AUDIENCE"
  | "IDENTITY_ALGORITHM"
  | "IDENTITY_UNKNOWN_ENTRY"
  | "IDENTITY_DOWNSTREAM";
export type Refusal = VigilError<IssuanceErrorCode | SubjectKeyErrorCode | AuthorityErrorCode>;

export interface IssuedX509Svid {
  readonly spiffeId: SpiffeId;
  /** Leaf first, DER; without what is in the bundle. */
  readonly certificates: readonly Uint8Array[];
  readonly serial: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** When to renew, without jitter. */
  readonly renewAtMs: number;
  readonly authorityId: string;
  readonly hint: string;
}

export interface IssuedToken {
  readonly spiffeId: SpiffeId;
  readonly token: string;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  readonly authorityId: string;
  readonly hint: string;
}

/** Who asks: an agent, or somebody who administers the authority. */
export interface Requester {
  /** A SPIFFE ID, or `uid:1000`. */
  readonly name: string;
  /** Empty when it is no agent. */
  readonly agentId: string;
}

/** What is issued: an SVID of a kind, or the certificate of an authority below. */
export type IssuanceKind = "x509" | "jwt" | "wit" | "ca";

/** One SVID, or why there is none, for the audit. */
export interface IssuanceNews {
  readonly kind: IssuanceKind;
  readonly requester: Requester;
  readonly spiffeId: string;
  readonly refusal: Refusal | undefined;
  /** The rule that refused. */
  readonly rule: RuleRefusal | undefined;
  /** Of the SVID, for people: `serial 4f…, until 2026-…`; empty for a refusal. */
  readonly what: string;
  readonly authorityId: string;
}

export interface IssuerOptions {
  readonly authorities: AuthoritySet;
  readonly nowMs: () => number;
  readonly random: (bytes: number) => Uint8Array;
  readonly onIssuance: (news: IssuanceNews) => void;
  /** `iss` of JWT-SVIDs, for verifiers that find keys by OpenID Connect; none when absent. */
  readonly issuer?: string | undefined;
}

export interface IssuerRules {
  readonly policy: IdentityPolicy;
  readonly denials: Denials;
}

const MAX_AUDIENCES = 32;
const MAX_AUDIENCE_CHARACTERS = 1024;
const USAGES = ["serverAuth", "clientAuth"] as const;

export class SvidIssuer {
  readonly #options: IssuerOptions;
  readonly #serials: SerialSource;
  /** Replaced as a whole by the authority. */
  rules: IssuerRules;

  constructor(options: IssuerOptions, rules: IssuerRules) {
    this.#options = options;
    this.#serials = new SerialSource(options.random);
    this.rules = rules;
  }

  /** An X.509-SVID for a public key (SubjectPublicKeyInfo, DER; UNTRUSTED). At once when the authority's key is in this process. */
  x509(
    workload: WorkloadFacts,
    publicKeyInfo: Uint8Array,
    requester: Requester,
  ): Result<IssuedX509Svid, Refusal> | Promise<Result<IssuedX509Svid, Refusal>> {
    const refusal = this.#refusalOf(workload, { kind: "x509", ttlMs: workload.x509TtlMs, audience: [] }, requester);
    if (refusal !== undefined) return err(refusal);
    const problem = subjectKeyProblem(publicKeyInfo);
    if (problem !== undefined) return this.#refuse("x509", workload, requester, problem);
    const signer = this.#signer("x509", workload, requester, () => this.#options.authorities.certificateSigner());
    if (!signer.ok) return signer;
    const { svid, toBeSigned } = this.#prepare(workload, publicKeyInfo, signer.value);
    const finish = (signature: Uint8Array): Result<IssuedX509Svid, Refusal> => {
      const leaf = encodeSigned(toBeSigned, signer.value.key.scheme, signature);
      const issued = { ...svid, certificates: [leaf, ...signer.value.chain] };
      this.#tell("x509", workload, requester, `serial ${svid.serial}, until ${new Date(svid.notAfterMs).toISOString()}`, svid.authorityId);
      return ok(issued);
    };
    const { privateKey, scheme } = signer.value.key;
    return privateKey === undefined ? signer.value.key.sign(toBeSigned).then(finish) : finish(sign(scheme.hash, toBeSigned, privateKey));
  }

  #prepare(
    workload: WorkloadFacts,
    publicKeyInfo: Uint8Array,
    { record, issuer }: CertificateSigner,
  ): { readonly svid: Omit<IssuedX509Svid, "certificates">; readonly toBeSigned: Uint8Array } {
    const nowMs = this.#options.nowMs();
    const notBeforeMs = wholeSeconds(nowMs - BACKDATE_MS);
    const notAfterMs = wholeSeconds(Math.min(nowMs + workload.x509TtlMs, record.notAfterMs));
    const serial = this.#serials.next();
    const profile = profileOf(workload);
    const toBeSigned = encodeToBeSigned({ profile, subject: EMPTY_NAME, publicKeyInfo, serial, notBeforeMs, notAfterMs, issuer });
    const renewAtMs =
      nowMs + Math.min(workload.rotateAfterMs, Math.max(workload.rotateAfterMs / workload.x509TtlMs, 1 / 2) * (notAfterMs - nowMs));
    const { spiffeId, hint } = workload;
    return { toBeSigned, svid: { spiffeId, hint, serial: serialText(serial), notBeforeMs, notAfterMs, renewAtMs, authorityId: record.id } };
  }

  /** The certificate of an authority below, for a workload that is one. Of `ttlMs` as much as it may have; 0 asks for the usual. */
  async downstream(
    workload: WorkloadFacts,
    { trustDomain, publicKeyInfo, ttlMs: wishedMs }: Pick<DownstreamRequest, "trustDomain" | "publicKeyInfo" | "ttlMs">,
    requester: Requester,
  ): Promise<Result<Pick<IssuedX509Svid, "certificates" | "serial" | "notAfterMs">, Refusal>> {
    const ttlMs = downstreamTtlMs(wishedMs);
    const refusal = this.#refusalOf(workload, { kind: "ca", ttlMs, audience: [] }, requester);
    if (refusal !== undefined) return err(refusal);
    const signer = this.#signer("ca", workload, requester, () => this.#options.authorities.certificateSigner());
    if (!signer.ok) return signer;
    if (!mayHaveDownstream(signer.value)) {
      const message = "the certificate of this authority allows no authorities below it";
      const hint = "what is above it must give it a path length of at least 1";
      return this.#refuse("ca", workload, requester, new VigilError<IssuanceErrorCode>("IDENTITY_DOWNSTREAM", message, { hint }));
    }
    const serial = this.#serials.next();
    const request = { trustDomain, publicKeyInfo, serial, nowMs: this.#options.nowMs(), ttlMs };
    const { toBeSigned, notAfterMs, id } = prepareDownstream(request, signer.value);
    const certificate = encodeSigned(toBeSigned, signer.value.key.scheme, await signer.value.key.sign(toBeSigned));
    const what = `authority ${id}, serial ${serialText(serial)}, until ${new Date(notAfterMs).toISOString()}`;
    this.#tell("ca", workload, requester, what, signer.value.record.id);
    return ok({ certificates: [certificate, ...signer.value.chain], serial: serialText(serial), notAfterMs });
  }

  /** A JWT-SVID for some audiences. UNTRUSTED audiences. */
  async jwt(workload: WorkloadFacts, audience: readonly string[], requester: Requester): Promise<Result<IssuedToken, Refusal>> {
    if (
      audience.length === 0 ||
      audience.length > MAX_AUDIENCES ||
      audience.some((name) => name === "" || name.length > MAX_AUDIENCE_CHARACTERS)
    ) {
      const message = `expected 1 to ${MAX_AUDIENCES} audiences of 1 to ${MAX_AUDIENCE_CHARACTERS} characters`;
      return this.#refuse("jwt", workload, requester, new VigilError<IssuanceErrorCode>("IDENTITY_AUDIENCE", message));
    }
    const refusal = this.#refusalOf(workload, { kind: "jwt", ttlMs: workload.jwtTtlMs, audience }, requester);
    if (refusal !== undefined) return err(refusal);
    const signer = this.#signer("jwt", workload, requester, () => this.#options.authorities.tokenSigner("jwt"));
    if (!signer.ok) return signer;
    const { issuer } = this.#options;
    const claims = issuer === undefined ? {} : { iss: issuer };
    const content = { id: workload.spiffeId, audience, claims, ...this.#times(workload.jwtTtlMs, signer.value) };
    const { local, remote } = signersOf(signer.value);
    const token = local === undefined ? await signJwtSvidRemotely(content, remote) : signJwtSvid(content, local);
    return this.#token("jwt", workload, requester, { token, ...content }, signer.value);
  }

  /** A WIT-SVID bound to a public key (SubjectPublicKeyInfo, DER) that signs with `algorithm`. UNTRUSTED both. */
  async wit(
    workload: WorkloadFacts,
    proof: { readonly publicKeyInfo: Uint8Array; readonly algorithm: string },
    requester: Requester,
  ): Promise<Result<IssuedToken, Refusal>> {
    const refusal = this.#refusalOf(workload, { kind: "wit", ttlMs: workload.x509TtlMs, audience: [] }, requester);
    if (refusal !== undefined) return err(refusal);
    const key = readSubjectKey(proof.publicKeyInfo);
    if (!key.ok) return this.#refuse("wit", workload, requester, key.error);
    const { algorithm } = proof;
    if (!isTokenAlgorithm(algorithm) || !isFitting(key.value, algorithm)) {
      const message = `the algorithm \`${algorithm.slice(0, 16)}\` does not fit the key`;
      return this.#refuse("wit", workload, requester, new VigilError<IssuanceErrorCode>("IDENTITY_ALGORITHM", message));
    }
    const signer = this.#signer("wit", workload, requester, () => this.#options.authorities.tokenSigner("wit"));
    if (!signer.ok) return signer;
    const tokenId = Buffer.from(this.#options.random(16)).toString("hex");
    const times = this.#times(workload.x509TtlMs, signer.value);
    const content = { id: workload.spiffeId, confirmation: { publicKey: key.value, algorithm }, tokenId, ...times };
    const { local, remote } = signersOf(signer.value);
    const token = local === undefined ? await signWitSvidRemotely(content, remote) : signWitSvid(content, local);
    return this.#token("wit", workload, requester, { token, ...times }, signer.value);
  }

  #times(ttlMs: number, { record }: JwsSigner): { readonly issuedAtMs: number; readonly expiresAtMs: number } {
    const nowMs = this.#options.nowMs();
    // A token of less than a second would have no life at all.
    return {
      issuedAtMs: wholeSeconds(nowMs),
      expiresAtMs: Math.max(wholeSeconds(Math.min(nowMs + ttlMs, record.notAfterMs)), wholeSeconds(nowMs) + 1000),
    };
  }

  #token(
    kind: "jwt" | "wit",
    workload: WorkloadFacts,
    requester: Requester,
    { token, issuedAtMs, expiresAtMs }: Pick<IssuedToken, "token" | "issuedAtMs" | "expiresAtMs">,
    { record }: JwsSigner,
  ): Result<IssuedToken, Refusal> {
    this.#tell(kind, workload, requester, `until ${new Date(expiresAtMs).toISOString()}`, record.id);
    return ok({ spiffeId: workload.spiffeId, hint: workload.hint, token, issuedAtMs, expiresAtMs, authorityId: record.id });
  }

  #refusalOf(
    workload: WorkloadFacts,
    request: { readonly kind: IssuanceKind; readonly ttlMs: number; readonly audience: readonly string[] },
    requester: Requester,
  ): Refusal | undefined {
    const { denials, policy } = this.rules;
    const denied = [workload.spiffeId, requester.agentId].find((id) => denials.spiffeIds.has(id));
    if (denied !== undefined) {
      const refusal = new VigilError<IssuanceErrorCode>("IDENTITY_DENIED", `the identity \`${denied}\` is denied`, {
        hint: "`vigil identity revoke --undo` ends it, or the `denied` of the TrustDomain resource",
      });
      return this.#note(request.kind, workload, requester, refusal);
    }
    if (!policy.hasIssuanceRules) return undefined;
    const rule = policy.refuseIssuance({ workload, ...request, agentId: requester.agentId });
    if (rule === undefined) return undefined;
    const refusal = new VigilError<IssuanceErrorCode>("IDENTITY_RULE", `the rule \`${rule.rule}\` refuses: ${rule.message}`);
    return this.#note(request.kind, workload, requester, refusal, rule);
  }

  #signer<S>(kind: IssuanceNews["kind"], workload: WorkloadFacts, requester: Requester, get: () => S): Result<S, Refusal> {
    try {
      return ok(get());
    } catch (thrown) {
      if (!(thrown instanceof VigilError)) throw thrown;
      // The only code that `get` throws.
      return err(this.#note(kind, workload, requester, thrown as Refusal));
    }
  }

  #refuse(kind: IssuanceNews["kind"], workload: WorkloadFacts, requester: Requester, refusal: Refusal): Result<never, Refusal> {
    return err(this.#note(kind, workload, requester, refusal));
  }

  #note(kind: IssuanceNews["kind"], { spiffeId }: WorkloadFacts, requester: Requester, refusal: Refusal, rule?: RuleRefusal): Refusal {
    this.#options.onIssuance({ kind, requester, spiffeId, refusal, rule, what: "", authorityId: "" });
    return refusal;
  }

  #tell(kind: IssuanceNews["kind"], { spiffeId }: WorkloadFacts, requester: Requester, what: string, authorityId: string): void {
    this.#options.onIssuance({ kind, requester, spiffeId, refusal: undefined, rule: undefined, what, authorityId });
  }
}

/** Encoded once for each workload, see `CertificateProfile`. */
const PROFILES = new WeakMap<WorkloadFacts, CertificateProfile>();

function profileOf(workload: WorkloadFacts): CertificateProfile {
  let profile = PROFILES.get(workload);
  if (profile === undefined) {
    const names: readonly SubjectName[] = [
      { kind: "uri", value: workload.spiffeId },
      ...workload.dnsNames.map((value): SubjectName => ({ kind: "dns", value })),
      ...workload.ipAddresses.map((value): SubjectName => ({ kind: "ip", value })),
    ];
    profile = { kind: "leaf", names, usages: USAGES };
    PROFILES.set(workload, profile);
  }
  return profile;
}

const wholeSeconds = (ms: number): number => Math.floor(ms / 1000) * 1000;

function signersOf({ record, key, algorithm }: JwsSigner): {
  readonly local: { readonly keyId: string; readonly algorithm: JwsSigner["algorithm"]; readonly privateKey: KeyObject } | undefined;
  readonly remote: { readonly keyId: string; readonly algorithm: JwsSigner["algorithm"]; readonly sign: JwsSigner["key"]["sign"] };
} {
  const { privateKey, sign: signWith } = key;
  const common = { keyId: record.id, algorithm };
  return { local: privateKey && { ...common, privateKey }, remote: { ...common, sign: signWith } };
}
