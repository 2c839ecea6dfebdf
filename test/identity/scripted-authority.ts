/** An authority for tests of the agent: a real server with real keys, whose every move the test makes. */
import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { GrpcError } from "../../src/grpc/grpc-error.ts";
import { GrpcServer } from "../../src/grpc/server.ts";
import { implementService } from "../../src/grpc/service.ts";
import {
  Authority,
  type Entry,
  EntrySchema,
  type SyncResponse,
  SyncResponseSchema,
} from "../../src/identity/generated/vigil/authority/v1/authority_pb.ts";
import { EMPTY_NAME, encodeCommonName, issueCertificate, keyIdentifier, type LocalIssuer, localIssuer } from "../../src/lib/certificate.ts";
import { encodeJson } from "../../src/lib/json.ts";
import { jsonOfTrustBundle } from "../../src/spiffe/bundle.ts";
import { signJwtSvid } from "../../src/spiffe/jwt-svid.ts";
import { parseSpiffeId, parseTrustDomain, type SpiffeId, type TrustDomain } from "../../src/spiffe/spiffe-id.ts";
import { signWitSvid } from "../../src/spiffe/wit-svid.ts";
import { parseX509Certificate, type X509Certificate } from "../../src/spiffe/x509-certificate.ts";

export interface TestCa {
  readonly id: string;
  readonly certificate: X509Certificate;
  readonly issuer: LocalIssuer;
}

const BACKDATE_MS = 10_000;

function must<T>(result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: Error }): T {
  if (!result.ok) throw result.error;
  return result.value;
}

export function makeCa(clock: () => number, lifetimeMs: number = 24 * 3_600_000): TestCa {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const publicKeyInfo = publicKey.export({ type: "spki", format: "der" });
  const name = encodeCommonName(`test ${randomBytes(4).toString("hex")}`);
  const issuer = localIssuer(name, publicKeyInfo, privateKey);
  const der = issueCertificate({
    profile: { kind: "authority", pathLength: 0 },
    subject: name,
    publicKeyInfo,
    serial: randomBytes(16),
    notBeforeMs: clock() - BACKDATE_MS,
    notAfterMs: clock() + lifetimeMs,
    issuer,
  });
  return { id: Buffer.from(keyIdentifier(publicKeyInfo)).toString("hex"), certificate: must(parseX509Certificate(der)), issuer };
}

export interface TestEntry {
  readonly id: string;
  readonly spiffeId: string;
  readonly selectors: readonly string[];
  readonly x509TtlMs?: number;
  readonly jwtTtlMs?: number;
  readonly federatesWith?: readonly string[];
  readonly hint?: string;
  readonly brokerFor?: readonly string[];
}

export class ScriptedAuthority {
  readonly path: string;
  readonly domain: TrustDomain;
  readonly clock: () => number;
  /** Of the agent that calls. */
  readonly agentId = "spiffe://test.example/vigil/agent/local";
  ca: TestCa;
  authorities: TestCa[];
  readonly jwtKey: { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
  readonly federated: Map<TrustDomain, readonly X509Certificate[]> = new Map();
  tainted: string[] = [];
  denials: { spiffeIds: string[]; serials: string[]; authorityIds: string[] } = { spiffeIds: [], serials: [], authorityIds: [] };
  /** Public keys for which something was signed. */
  readonly signedSerials: string[] = [];
  /** How often each call was made. */
  readonly calls: { sync: number; x509: number; jwt: number; wit: number } = { sync: 0, x509: 0, jwt: 0, wit: 0 };
  /** What the next signings fail with. */
  failure: GrpcError | undefined;
  syncFailure: GrpcError | undefined;
  refusal: { readonly code: number; readonly message: string } | undefined;
  readonly entries: Map<string, Entry> = new Map();
  #revision = 0n;
  readonly #followers = new Set<(update: SyncResponse) => void>();
  #server: GrpcServer | undefined;

  constructor(path: string, clock: () => number = Date.now, domain = "test.example") {
    this.path = path;
    this.clock = clock;
    this.domain = must(parseTrustDomain(domain));
    this.ca = makeCa(clock);
    this.authorities = [this.ca];
    this.jwtKey = generateKeyPairSync("ec", { namedCurve: "P-256" });
  }

  async start(): Promise<void> {
    const service = implementService(Authority, {
      sync: (_request, { signal }) => this.#sync(signal),
      renewAgentSvid: async ({ publicKey }) => ({
        svid: this.sign(create(EntrySchema, { spiffeId: this.agentId, x509TtlMs: 3_600_000n }), publicKey),
      }),
      signX509Svids: async ({ requests }) => {
        this.calls.x509++;
        if (this.failure !== undefined) throw this.failure;
        return {
          results: requests.map(({ entryId, subject }) => {
            const entry = this.entries.get(entryId);
            if (this.refusal !== undefined) return { result: { case: "refusal" as const, value: { ...this.refusal, reason: "" } } };
            if (entry === undefined)
              return { result: { case: "refusal" as const, value: { code: 5, reason: "", message: "no such entry" } } };
            return { result: { case: "svid" as const, value: this.sign(entry, subject.value ?? new Uint8Array()) } };
          }),
        };
      },
      signJwtSvid: async ({ entryId, audience }) => {
        this.calls.jwt++;
        if (this.failure !== undefined) throw this.failure;
        const entry = this.entries.get(entryId);
        if (entry === undefined) throw new GrpcError("NOT_FOUND", "no such entry");
        const issuedAtMs = this.clock();
        const expiresAtMs = issuedAtMs + Number(entry.jwtTtlMs);
        const content = { id: entry.spiffeId as SpiffeId, audience, issuedAtMs, expiresAtMs, claims: { jti: String(this.calls.jwt) } };
        const token = signJwtSvid(content, { algorithm: "ES256", keyId: "jwt-1", privateKey: this.jwtKey.privateKey });
        return { spiffeId: entry.spiffeId, token, issuedAtMs: BigInt(issuedAtMs), expiresAtMs: BigInt(expiresAtMs), authorityId: "jwt-1" };
      },
      signWitSvid: async ({ entryId, publicKey }) => {
        this.calls.wit++;
        const entry = this.entries.get(entryId);
        if (entry === undefined) throw new GrpcError("NOT_FOUND", "no such entry");
        const issuedAtMs = this.clock();
        const expiresAtMs = issuedAtMs + Number(entry.x509TtlMs);
        const key = createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" });
        const content = {
          id: entry.spiffeId as SpiffeId,
          confirmation: { publicKey: key, algorithm: "ES256" as const },
          issuedAtMs,
          expiresAtMs,
        };
        const token = signWitSvid(content, { algorithm: "ES256", keyId: "wit-1", privateKey: this.jwtKey.privateKey });
        return { spiffeId: entry.spiffeId, token, issuedAtMs: BigInt(issuedAtMs), expiresAtMs: BigInt(expiresAtMs), authorityId: "wit-1" };
      },
    });
    this.#server = new GrpcServer({ services: [service], limits: { maxConcurrentCalls: 1_000 } });
    await this.#server.listen({ kind: "unix", path: this.path });
  }

  /** As when the process is killed: connections are cut. */
  async stop(): Promise<void> {
    await this.#server?.close(0);
    this.#server = undefined;
  }

  register(...entries: readonly TestEntry[]): void {
    this.#revision++;
    const added = entries.map(
      ({ id, spiffeId, selectors, x509TtlMs = 3_600_000, jwtTtlMs = 300_000, federatesWith = [], hint = "", brokerFor = [] }) => {
        must(parseSpiffeId(spiffeId));
        const entry = create(EntrySchema, {
          id,
          name: `default/${id}`,
          spiffeId,
          selectors: [...selectors],
          x509TtlMs: BigInt(x509TtlMs),
          jwtTtlMs: BigInt(jwtTtlMs),
          federatesWith: [...federatesWith],
          hint,
          brokerFor: [...brokerFor],
          revision: this.#revision,
          componentClass: "service",
        });
        this.entries.set(id, entry);
        return entry;
      },
    );
    this.#push({ entries: added });
  }

  remove(...ids: readonly string[]): void {
    this.#revision++;
    for (const id of ids) this.entries.delete(id);
    this.#push({ removedEntryIds: [...ids] });
  }

  /** Has the SVIDs of an entry renewed at once. */
  rotateSvid(id: string): void {
    const entry = this.entries.get(id);
    if (entry === undefined) throw new RangeError(id);
    this.#revision++;
    const renewed = create(EntrySchema, { ...entry, revision: this.#revision, renewIssuedBeforeMs: BigInt(this.clock()) });
    this.entries.set(id, renewed);
    this.#push({ entries: [renewed] });
  }

  /** A new CA signs; the old one stays in the bundle, tainted when everything is to be renewed. */
  rotateCa(options: { readonly taint: boolean }): TestCa {
    const old = this.ca;
    this.ca = makeCa(this.clock);
    this.authorities = [...this.authorities, this.ca];
    if (options.taint) this.tainted = [...this.tainted, old.id];
    this.pushBundles();
    return old;
  }

  deny(change: Partial<ScriptedAuthority["denials"]>): void {
    this.denials = { ...this.denials, ...change };
    this.#push({ denials: this.denials });
  }

  pushBundles(): void {
    this.#push({ bundles: this.#bundles() });
  }

  sign(
    entry: Entry,
    publicKeyInfo: Uint8Array,
  ): {
    spiffeId: string;
    certificates: Uint8Array[];
    serial: string;
    notBeforeMs: bigint;
    notAfterMs: bigint;
    authorityId: string;
    hint: string;
  } {
    const serial = randomBytes(16);
    serial[0] = (serial[0] ?? 0) & 0x7f;
    const notBeforeMs = this.clock() - BACKDATE_MS;
    const notAfterMs = this.clock() + Number(entry.x509TtlMs);
    const { ca } = this;
    const certificate = issueCertificate({
      profile: { kind: "leaf", names: [{ kind: "uri", value: entry.spiffeId }], usages: ["serverAuth", "clientAuth"] },
      subject: EMPTY_NAME,
      publicKeyInfo,
      serial,
      notBeforeMs,
      notAfterMs,
      issuer: ca.issuer,
    });
    this.signedSerials.push(serial.toString("hex"));
    return {
      spiffeId: entry.spiffeId,
      certificates: [certificate],
      serial: serial.toString("hex"),
      notBeforeMs: BigInt(notBeforeMs),
      notAfterMs: BigInt(notAfterMs),
      authorityId: ca.id,
      hint: entry.hint,
    };
  }

  async *#sync(signal: AbortSignal): AsyncGenerator<SyncResponse> {
    this.calls.sync++;
    if (this.syncFailure !== undefined) throw this.syncFailure;
    const queue: SyncResponse[] = [...this.#full()];
    let wake = (): void => {};
    const follow = (update: SyncResponse): void => {
      queue.push(update);
      wake();
    };
    this.#followers.add(follow);
    signal.addEventListener("abort", () => wake(), { once: true });
    try {
      while (!signal.aborted) {
        const next = queue.shift();
        if (next !== undefined) yield next;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    } finally {
      this.#followers.delete(follow);
    }
  }

  /** In parts, one entry each, as when there are many. */
  #full(): readonly SyncResponse[] {
    const whole = { isFull: true, bundles: this.#bundles(), denials: this.denials, revision: this.#revision };
    const entries = [...this.entries.values()];
    if (entries.length === 0) return [create(SyncResponseSchema, whole)];
    return entries.map((entry, index) =>
      create(SyncResponseSchema, { ...(index === 0 ? whole : {}), entries: [entry], continues: index < entries.length - 1 }),
    );
  }

  #bundles(): {
    trustDomain: string;
    documents: { [name: string]: Uint8Array };
    taintedAuthorityIds: string[];
    activeX509AuthorityId: string;
  } {
    const key = { publicKey: this.jwtKey.publicKey, algorithm: "ES256" as const };
    const own = jsonOfTrustBundle({
      trustDomain: this.domain,
      x509Authorities: this.authorities.map(({ certificate }) => certificate),
      jwtKeys: new Map([["jwt-1", { keyId: "jwt-1", ...key }]]),
      witKeys: new Map([["wit-1", { keyId: "wit-1", ...key }]]),
    });
    const documents: { [name: string]: Uint8Array } = { [this.domain]: Buffer.from(encodeJson(own)) };
    for (const [trustDomain, x509Authorities] of this.federated) {
      const bundle = jsonOfTrustBundle({ trustDomain, x509Authorities, jwtKeys: new Map(), witKeys: new Map() });
      documents[trustDomain] = Buffer.from(encodeJson(bundle));
    }
    return { trustDomain: this.domain, documents, taintedAuthorityIds: this.tainted, activeX509AuthorityId: this.ca.id };
  }

  #push(update: Parameters<typeof create<typeof SyncResponseSchema>>[1]): void {
    const message = create(SyncResponseSchema, update);
    for (const follow of this.#followers) follow(message);
  }
}
