/**
 * Envoy's secret discovery (SDS v3) on the socket of the Workload API. Names: `default` and SPIFFE IDs are certificates with their keys;
 * `ROOTCA` and SPIFFE IDs of trust domains are authorities; `ALL` is Envoy's SPIFFE validator with every trust domain of the workload.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import type { CallContext } from "../../grpc/call-context.ts";
import { GrpcError } from "../../grpc/grpc-error.ts";
import { implementService, type ServiceImplementation } from "../../grpc/service.ts";
import { encodePem } from "../../lib/pem.ts";
import { idOfTrustDomain } from "../../spiffe/spiffe-id.ts";
import { type Secret, SecretSchema } from "../generated/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
import { SPIFFECertValidatorConfigSchema } from "../generated/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb.ts";
import type { DiscoveryRequest } from "../generated/envoy/service/discovery/v3/discovery_pb.ts";
import { SecretDiscoveryService } from "../generated/envoy/service/secret/v3/sds_pb.ts";
import type { TrustedDomain } from "./agent-state.ts";
import type { CallerView } from "./caller.ts";
import type { WorkloadApiOptions } from "./workload-api.ts";
import type { Composed, HeldIdentity, WorkloadMessages } from "./workload-messages.ts";
import { firstOf, workloadStream } from "./workload-stream.ts";

const TYPE_URL = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
const VALIDATOR = "envoy.tls.cert_validator.spiffe";
const MAX_NAMES = 256;

interface Discovery {
  readonly versionInfo: string;
  readonly resources: Any[];
  readonly typeUrl: string;
  readonly nonce: string;
}

export function secretDiscovery(options: WorkloadApiOptions): ServiceImplementation {
  const { agent, callers, messages, patienceMs } = options;
  return implementService(SecretDiscoveryService, {
    streamSecrets: (requests, context) => streamSecrets(options, requests, context),
    fetchSecrets: async (request, context) => {
      const names = namesOf(request);
      const caller = callers.of(context);
      const secrets = await firstOf(context, { agent, caller, patienceMs, compose: (view) => secretsOf(messages, view, names) });
      return { versionInfo: "1", resources: packed(secrets), typeUrl: TYPE_URL, nonce: "1" };
    },
  });
}

async function* streamSecrets(
  options: WorkloadApiOptions,
  requests: AsyncIterable<DiscoveryRequest>,
  context: CallContext,
): AsyncGenerator<Discovery> {
  const { agent, callers, messages, patienceMs } = options;
  const caller = callers.of(context);
  const done = callers.limits.openStream(caller.connection.credentials.uid);
  const ended = new AbortController();
  const subscription = new Subscription();
  try {
    const following = subscription.follow(requests, ended);
    await subscription.hasBegun;
    const signal = AbortSignal.any([context.signal, ended.signal]);
    const stream = workloadStream(
      { signal, draining: context.draining },
      {
        agent,
        caller,
        patienceMs,
        usesX509: true,
        compose: (view) => subscription.compose(messages, view),
        isSame: (one, other) => one.question === other.question && Buffer.compare(one.bytes, other.bytes) === 0,
        onStart: (lookAgain) => {
          subscription.onRequest = lookAgain;
        },
      },
    );
    let version = 0;
    for await (const { secrets } of stream) {
      version++;
      subscription.nonce = String(version);
      yield { versionInfo: String(version), resources: packed(secrets), typeUrl: TYPE_URL, nonce: subscription.nonce };
    }
    await following;
  } finally {
    ended.abort();
    done();
  }
}

interface Answer {
  /** Counts what was asked: another question is answered although the answer is the same. */
  readonly question: number;
  readonly secrets: readonly Secret[];
  readonly bytes: Uint8Array;
}

/** What an Envoy subscribes to on one stream. */
class Subscription {
  nonce = "";
  onRequest: () => void = () => {};
  readonly hasBegun: Promise<void>;
  readonly #begin: () => void;
  #names: readonly string[] = [];
  #question = 0;
  #problem: GrpcError | undefined;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.hasBegun = promise;
    this.#begin = resolve;
  }

  /** Reads requests until the Envoy ends them, which ends the stream. */
  async follow(requests: AsyncIterable<DiscoveryRequest>, ended: AbortController): Promise<void> {
    try {
      for await (const request of requests) {
        this.#take(request);
        this.#begin();
        this.onRequest();
      }
    } catch {
      // The call was cancelled, which its signal says too.
    }
    this.#begin();
    ended.abort();
  }

  /** An answer to what was last sent, good or bad, asks nothing unless it names other secrets; answers to older messages are ignored. */
  #take(request: DiscoveryRequest): void {
    if (request.responseNonce !== "" && request.responseNonce !== this.nonce) return;
    try {
      const names = namesOf(request);
      if (this.#question > 0 && names.length === this.#names.length && names.every((name, index) => name === this.#names[index])) return;
      this.#names = names;
      this.#question++;
    } catch (error) {
      this.#problem = error instanceof GrpcError ? error : new GrpcError("INTERNAL", "the request could not be read", { cause: error });
    }
  }

  compose(messages: WorkloadMessages, view: CallerView): Composed<Answer> {
    if (this.#problem !== undefined) return { kind: "wait", reason: this.#problem, isFinal: true };
    const secrets = secretsOf(messages, view, this.#names);
    if (secrets.kind === "wait") return secrets;
    const bytes = Buffer.concat(secrets.value.map((secret) => toBinary(SecretSchema, secret)));
    return { kind: "ready", value: { question: this.#question, secrets: secrets.value, bytes }, goodUntilMs: secrets.goodUntilMs };
  }
}

const packed = (secrets: readonly Secret[]): Any[] => secrets.map((secret) => anyPack(SecretSchema, secret));

/** Sorted, each once. */
function namesOf({ typeUrl, resourceNames }: DiscoveryRequest): readonly string[] {
  if (typeUrl !== "" && typeUrl !== TYPE_URL) throw new GrpcError("INVALID_ARGUMENT", `expected the type \`${TYPE_URL}\``);
  if (resourceNames.length > MAX_NAMES) throw new GrpcError("INVALID_ARGUMENT", `expected at most ${MAX_NAMES} names`);
  return [...new Set(resourceNames)].sort();
}

/** The secrets of these names; without names, every certificate and every trust domain by their SPIFFE IDs. */
function secretsOf(messages: WorkloadMessages, view: CallerView, names: readonly string[]): Composed<readonly Secret[]> {
  const identities = messages.identitiesOf(view);
  if (identities.kind === "wait") return identities;
  const domains = [...messages.domainsOf(view).values()];
  const [own] = domains;
  const byName = new Map<string, Secret>();
  for (const identity of identities.value) byName.set(identity.entry.spiffeId, certificateSecret(identity.entry.spiffeId, identity));
  for (const domain of domains)
    byName.set(idOfTrustDomain(domain.bundle.trustDomain), authoritySecret(idOfTrustDomain(domain.bundle.trustDomain), domain));
  if (names.length === 0) return { kind: "ready", value: [...byName.values()], goodUntilMs: identities.goodUntilMs };
  const [first] = identities.value;
  if (first !== undefined) byName.set("default", certificateSecret("default", first));
  if (own !== undefined) byName.set("ROOTCA", authoritySecret("ROOTCA", own));
  byName.set("ALL", validatorSecret(domains));
  const unknown = names.filter((name) => !byName.has(name));
  if (unknown.length > 0) {
    const reason = new GrpcError(
      "INVALID_ARGUMENT",
      `no such secret for this workload: ${unknown.map((name) => `\`${name.slice(0, 200)}\``).join(", ")}`,
    );
    return { kind: "wait", reason, isFinal: true };
  }
  return { kind: "ready", value: names.flatMap((name) => byName.get(name) ?? []), goodUntilMs: identities.goodUntilMs };
}

const inline = (pem: string): { specifier: { case: "inlineBytes"; value: Uint8Array } } => ({
  specifier: { case: "inlineBytes", value: Buffer.from(pem) },
});
const pemOf = (certificates: readonly Uint8Array[]): string => certificates.map((der) => encodePem({ label: "CERTIFICATE", der })).join("");
const bundlePem = ({ bundle }: TrustedDomain): string => pemOf(bundle.x509Authorities.map(({ der }) => der));

function certificateSecret(name: string, { credential: { certificates, keyDer } }: HeldIdentity): Secret {
  const value = { certificateChain: inline(pemOf(certificates)), privateKey: inline(encodePem({ label: "PRIVATE KEY", der: keyDer })) };
  return create(SecretSchema, { name, type: { case: "tlsCertificate", value } });
}

const authoritySecret = (name: string, domain: TrustedDomain): Secret =>
  create(SecretSchema, { name, type: { case: "validationContext", value: { trustedCa: inline(bundlePem(domain)) } } });

function validatorSecret(domains: readonly TrustedDomain[]): Secret {
  const trustDomains = domains.map((domain) => ({ name: domain.bundle.trustDomain, trustBundle: inline(bundlePem(domain)) }));
  const typedConfig = anyPack(SPIFFECertValidatorConfigSchema, create(SPIFFECertValidatorConfigSchema, { trustDomains }));
  const value = { customValidatorConfig: { name: VALIDATOR, typedConfig } };
  return create(SecretSchema, { name: "ALL", type: { case: "validationContext", value } });
}
