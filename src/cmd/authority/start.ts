/** The authority process: holds the keys of the trust domain, and answers agents and the command line. */
import { randomBytes } from "node:crypto";
import { join, resolve } from "node:path";
import { GrpcServer } from "../../grpc/server.ts";
import type { ServerHooks } from "../../grpc/server-core.ts";
import type { ServiceImplementation } from "../../grpc/service.ts";
import { adminService } from "../../identity/authority/admin-service.ts";
import { Authority } from "../../identity/authority/authority.ts";
import { authorityHealth, authorityProblem } from "../../identity/authority/authority-health.ts";
import { AuthorityMetrics } from "../../identity/authority/authority-metrics.ts";
import type { AuthorityKind } from "../../identity/authority/authority-record.ts";
import { authorityService } from "../../identity/authority/authority-service.ts";
import { AuthoritySet, type KeyLifetime } from "../../identity/authority/authority-set.ts";
import { ConnectedAgents } from "../../identity/authority/connected-agents.ts";
import { DiskKeyStore } from "../../identity/authority/disk-key-store.ts";
import { downstreamServices } from "../../identity/authority/downstream-service.ts";
import { fileUpstream } from "../../identity/authority/file-upstream.ts";
import { followUpstream } from "../../identity/authority/follow-upstream.ts";
import type { Journal, JournalStorage } from "../../identity/authority/journal.ts";
import { denyLostAgents } from "../../identity/authority/lost-agents.ts";
import type { Registrations } from "../../identity/authority/registrations.ts";
import { longestSvidMs } from "../../identity/authority/rotation.ts";
import { SpireUpstream } from "../../identity/authority/spire-upstream.ts";
import { fileStorage, StoredJournal } from "../../identity/authority/stored-journal.ts";
import type { UpstreamAuthority } from "../../identity/authority/upstream-authority.ts";
import { BundleStore } from "../../identity/federation/bundle-store.ts";
import { Federation, type WantedRelation } from "../../identity/federation/federation.ts";
import { messageOf, VigilError } from "../../lib/error.ts";
import { parseFederationEndpoint } from "../../spiffe/federation.ts";
import { parseTrustDomain, type TrustDomain } from "../../spiffe/spiffe-id.ts";
import { EventForwarder } from "../event-forwarder.ts";
import { authoritySocket, registrationPaths } from "../identity-sockets.ts";
import { parseListenAddress } from "../listen-address.ts";
import { createLog, type Log } from "../log.ts";
import type { ReadyReport } from "../process-message.ts";
import type { Running } from "../run-supervised.ts";
import type { Settings } from "../settings.ts";
import { serveTelemetry } from "../telemetry-server.ts";
import { openTraceExport } from "../trace-export.ts";
import { AuthorityAudit } from "./audit.ts";
import { builtInEntries } from "./built-in-entries.ts";
import { checkAuthoritySettings, readSettingFile } from "./checked-settings.ts";
import { listenForAgents, listenForBundles, listenForDownstream } from "./listeners.ts";
import { openRegistrations } from "./registration-source.ts";
import type { AuthoritySettings } from "./settings.ts";

/** The folder of the state directory that holds keys, journal and foreign bundles. */
const AUTHORITY_FOLDER = "authority";
const EVENTS_PER_DRAIN_MS = 1_000;
const RETRY_MS = 5_000;
/** Timers beyond it would fire at once. */
const MAX_TIMER_MS = 60 * 60 * 1000;

export async function startAuthority(settings: AuthoritySettings): Promise<Running> {
  const { stateDirectory, configuration } = settings;
  const log = createLog("authority");
  const stopping = new AbortController();
  checkAuthoritySettings(configuration);
  const trustDomain = ownTrustDomain(configuration);
  const events = new EventForwarder({ stateDirectory, producer: "authority", log });
  const audit = new AuthorityAudit(events, log, trustDomain);
  const metrics = new AuthorityMetrics();
  const traces = openTraceExport(configuration, "vigil-authority", log);
  const folder = join(stateDirectory, AUTHORITY_FOLDER);
  const paths = await registrationPaths(stateDirectory, configuration);
  const source = await openRegistrations(
    {
      paths,
      trustDomain,
      builtIn: builtInEntries(trustDomain, settings),
      log,
      onRefused: ([first]) =>
        audit.act("register", "workloads", `mistakes leave the last good ones in force: ${first?.message ?? ""}`, 4, "refused"),
    },
    stopping.signal,
  );
  let { first: registrations } = source;
  const keyStore = await DiskKeyStore.open(join(folder, "keys"));
  const journal = await StoredJournal.open(countingFailures(fileStorage(join(folder, "journal.json")), metrics), trustDomain, keyStore);
  const upstream = upstreamOf(configuration, trustDomain);
  const authorities = await AuthoritySet.open({
    trustDomain,
    journal,
    keyStore,
    upstream,
    lifetimeOf: (kind) => lifetimeOf(kind, registrations, configuration),
    refreshHintMs: () => registrations.trustDomain?.refreshHintMs ?? configuration["identity.refreshHint"],
    nowMs: Date.now,
    random: randomBytes,
    onNews: (news) => {
      metrics.changed(news);
      audit.authority(news);
    },
  });
  const bundleStore = new BundleStore(join(folder, "bundles"));
  const federation = await Federation.open({
    own: () => authorities.bundle,
    store: bundleStore,
    nowMs: Date.now,
    webAuthorities: await readSettingFile(configuration, "identity.webAuthorities"),
    onNews: (news) => audit.federation(news),
  });
  const authority = new Authority({
    trustDomain,
    journal,
    authorities,
    federated: federation,
    registrations,
    nowMs: Date.now,
    random: randomBytes,
    issuer: configuration["identity.issuer"],
    onIssuance: (news) => {
      metrics.issuance(news);
      audit.issuance(news);
    },
  });
  const follow = (): void => federation.want(wantedRelations(registrations, journal));
  const register = (next: Registrations): void => {
    registrations = next;
    authority.register(next);
    follow();
    tellRefused(next, log, audit);
    audit.act("register", "workloads", `${next.entries.size} are registered, ${next.refused.length} refused`, 1);
    log("info", "registrations are in force", { workloads: next.entries.size, refused: next.refused.length });
  };
  follow();
  tellRefused(registrations, log, audit);
  void source.follow(register);
  const connected = new ConnectedAgents();
  const service = authorityService({
    authority,
    connected,
    nowMs: Date.now,
    random: randomBytes,
    tracer: traces?.tracer,
    onAttestation: (agentId, refusal) => {
      metrics.attested(refusal === undefined ? "attested" : "refused");
      audit.attestation(agentId, refusal);
    },
  });
  const admin = adminService({
    authority,
    federation,
    bundleStore,
    connected,
    nowMs: Date.now,
    maxMintTtlMs: longestSvidMs(configuration["identity.caTtl"]),
    onRelations: follow,
    onCommand: (news) => audit.command(news),
  });
  metrics.observe(authority, connected, Date.now);
  const hooks: ServerHooks = {
    onFailure: (thrown) => log("error", `a call failed: ${messageOf(thrown)}`),
    onEnd: ({ method }, status) => metrics.ended(method, status),
  };
  const serverOf = (services: readonly ServiceImplementation[]): GrpcServer =>
    new GrpcServer({ services: [...services, authorityHealth(authority, services)], ...hooks });
  const local = serverOf([service, admin]);
  await local.listen({ kind: "unix", path: authoritySocket(stateDirectory), mode: 0o600 });
  // Strangers reach no service that administers.
  const remote = serverOf([service]);
  const parts = { authority, settings: configuration, log, signal: stopping.signal };
  const agentAddress = await listenForAgents(remote, parts);
  const bundleEndpoint = await listenForBundles(parts);
  const publishAbove = upstream?.publishJwtKey?.bind(upstream);
  const downstream = serverOf(downstreamServices({ authority, nowMs: Date.now, publishAbove }));
  const downstreamAddress = await listenForDownstream(downstream, parts);
  if (upstream?.trust !== undefined) followUpstream({ authorities, upstream, onProblem: upstreamNarrator(log) }, stopping.signal);
  keepAdvancing(authority, log, stopping.signal);
  const afterMs = configuration["identity.agentLoss"];
  if (afterMs !== undefined)
    denyLostAgents({ authority, connected, afterMs, nowMs: Date.now, onLost: (...lost) => audit.lostAgent(...lost) }, stopping.signal);
  const telemetry = await serveTelemetry(configuration["identity.authorityTelemetry"], {
    metrics: () => metrics.expose() + (traces?.metric.expose() ?? ""),
    problem: () => authorityProblem(authority),
  });
  return {
    report: reportOf(authority, {
      paths,
      agentAddress,
      downstreamAddress,
      telemetryUrl: telemetry?.url,
      bundleAddress: bundleEndpoint && `${bundleEndpoint.host}:${bundleEndpoint.port}`,
    }),
    drain: async (withinMs) => {
      telemetry?.close();
      await Promise.all([local, remote, downstream].map((server) => server.close(withinMs / 2)));
      stopping.abort();
      await upstream?.close?.();
      federation.close();
      await traces?.close(Math.min(EVENTS_PER_DRAIN_MS, withinMs / 4));
      await events.close(Math.min(EVENTS_PER_DRAIN_MS, withinMs / 4));
    },
  };
}

function ownTrustDomain(configuration: Settings): TrustDomain {
  const domain = parseTrustDomain(configuration["identity.trustDomain"]);
  if (domain.ok) return domain.value;
  throw new VigilError(domain.error.code, `the setting \`identity.trustDomain\`: ${domain.error.message}`, { cause: domain.error });
}

function upstreamOf(configuration: Settings, trustDomain: TrustDomain): UpstreamAuthority | undefined {
  const { "identity.upstreamServer": server, "identity.upstreamSocket": socket } = configuration;
  if (server !== undefined && socket !== undefined)
    return new SpireUpstream({ ...parseListenAddress(server), trustDomain, workloadApi: `unix://${resolve(socket)}` });
  const {
    "identity.upstreamCertificate": certificatePath,
    "identity.upstreamKey": keyPath,
    "identity.upstreamBundle": bundlePath,
  } = configuration;
  return certificatePath === undefined || keyPath === undefined ? undefined : fileUpstream({ certificatePath, keyPath, bundlePath });
}

/** A disk that is full is seen before anything else goes wrong. */
const countingFailures = (storage: JournalStorage, metrics: AuthorityMetrics): JournalStorage => ({
  read: () => storage.read(),
  write: (text) =>
    storage.write(text).catch((thrown: unknown) => {
      metrics.unwritten();
      throw thrown;
    }),
});

const upstreamNarrator =
  (log: Log): ((problem: string | undefined) => void) =>
  (problem) =>
    problem === undefined
      ? log("info", "the upstream authority is followed again")
      : log("warning", `the upstream authority is not followed: ${problem}; what it said last stays in force`);

function lifetimeOf(kind: AuthorityKind, { trustDomain }: Registrations, configuration: Settings): KeyLifetime {
  const keyType = trustDomain?.[kind].keyType ?? configuration["identity.keyType"];
  const byDefault = kind === "x509" ? configuration["identity.caTtl"] : configuration["identity.tokenKeyTtl"];
  // The choice of the setting is one of the key types.
  return { keyType: keyType as KeyLifetime["keyType"], ttlMs: trustDomain?.[kind].ttlMs ?? byDefault };
}

/** Those of the resource, and of the others those that were commanded. */
function wantedRelations({ trustDomain }: Registrations, journal: Journal): readonly WantedRelation[] {
  const declared = (trustDomain?.federation ?? []).map((relation): WantedRelation => ({ ...relation, origin: "resource" }));
  const names = new Set<string>(declared.map(({ endpoint }) => endpoint.trustDomain));
  const commanded = journal.state.relations.flatMap((relation): readonly WantedRelation[] => {
    const endpoint = parseFederationEndpoint(relation);
    return endpoint.ok && !names.has(relation.trustDomain) ? [{ endpoint: endpoint.value, bundle: undefined, origin: "command" }] : [];
  });
  return [...declared, ...commanded];
}

function tellRefused({ refused }: Registrations, log: Log, audit: AuthorityAudit): void {
  for (const { entry, refusal } of refused.slice(0, MAX_TOLD)) {
    log("warning", `the workload ${entry.name} is not registered: ${refusal.message}`, { rule: refusal.rule });
    audit.act("register", `Workload ${entry.name}`, `the rule \`${refusal.rule}\` refuses: ${refusal.message}`, 3, "refused");
  }
}

const MAX_TOLD = 100;

/** Changes authorities when it is time; a step that fails is tried again, and what signs goes on meanwhile. */
function keepAdvancing(authority: Authority, log: Log, signal: AbortSignal): void {
  let timer: NodeJS.Timeout | undefined;
  let isFailing = false;
  const advance = async (): Promise<void> => {
    let delayMs = RETRY_MS;
    try {
      delayMs = Math.max(0, (await authority.authorities.advance()) - Date.now());
      authority.refresh();
      if (isFailing) log("info", "the authorities are kept up to date again");
      isFailing = false;
    } catch (thrown) {
      if (!isFailing) log("error", `the authorities cannot be kept up to date: ${messageOf(thrown)}; it is tried again`);
      isFailing = true;
    }
    if (!signal.aborted) timer = setTimeout(() => void advance(), Math.min(delayMs + 1, MAX_TIMER_MS)).unref();
  };
  void advance();
  signal.addEventListener("abort", () => clearTimeout(timer));
}

function reportOf(
  authority: Authority,
  {
    paths,
    agentAddress,
    downstreamAddress,
    telemetryUrl,
    bundleAddress,
  }: {
    readonly paths: readonly string[];
    readonly agentAddress: string | undefined;
    readonly downstreamAddress: string | undefined;
    readonly telemetryUrl: string | undefined;
    readonly bundleAddress: string | undefined;
  },
): ReadyReport {
  return {
    on: [
      {
        what: "trust domain",
        where: `${authority.trustDomain}, ${authority.registrations.entries.size} workloads from ${paths.join(", ")} and built in`,
      },
      ...(agentAddress === undefined ? [] : [{ what: "remote agents", where: agentAddress }]),
      ...(downstreamAddress === undefined ? [] : [{ what: "authorities below", where: downstreamAddress }]),
      ...(telemetryUrl === undefined ? [] : [{ what: "authority metrics", where: `${telemetryUrl}/metrics` }]),
      ...(bundleAddress === undefined ? [] : [{ what: "bundle endpoint", where: `https://${bundleAddress}` }]),
    ],
    off: [],
    facts: { trustDomain: authority.trustDomain },
  };
}
