/**
 * Settings: what a long-running Vigil can be told. Each has a key in the configuration file, an environment variable, and
 * sometimes a flag. The first of these that states it wins: flag, environment, file, default.
 */
import type { Diagnostic } from "../lib/diagnostic.ts";
import type { JsonValue } from "../lib/json.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Document } from "../resource/document.ts";
import { type Flag, type FlagValues, unset } from "./command.ts";
import { type FlagValue, parseFlagText } from "./flag-text.ts";
import { readSettingsFile } from "./settings-file.ts";

/** By key in the configuration file. */
export const SETTINGS = {
  "state.directory": {
    kind: "text",
    value: "DIR",
    completes: "directory",
    summary: "where state lives: events, certificates, the management socket (/var/lib/vigil for root)",
  },
  policies: {
    kind: "list",
    value: "PATH",
    completes: "file",
    summary: "policies to enforce: files and directories, watched (the built-in packs when there is none)",
  },
  "admission.listen": {
    kind: "text",
    value: "HOST:PORT",
    default: "127.0.0.1:8443",
    summary: "address of the admission webhook",
  },
  "admission.namespace": {
    kind: "text",
    value: "NAME",
    default: "vigil-system",
    summary: "the namespace of Vigil itself, which it never judges",
  },
  "admission.exclude": { kind: "list", value: "NAMESPACE", summary: "further namespaces that are never judged" },
  "admission.onFailure": {
    kind: "choice",
    choices: ["deny", "refuse"],
    default: "deny",
    summary: "when Vigil itself fails: deny, or refuse to answer so that the API server's failurePolicy decides",
  },
  "admission.names": {
    kind: "list",
    value: "NAME",
    summary: "DNS names and addresses in the webhook's certificate, beside those of the address",
  },
  "admission.maxInFlight": {
    kind: "integer",
    value: "N",
    min: 1,
    max: 100_000,
    default: 1024,
    summary: "reviews at once; more are asked to come again",
  },
  "admission.drain": { kind: "duration", value: "TIME", default: 10_000, summary: "how long answers under way may take when Vigil stops" },
  "identity.trustDomain": { kind: "text", value: "NAME", default: "vigil.local", summary: "the trust domain whose authority this is" },
  "identity.registrations": {
    kind: "list",
    value: "PATH",
    completes: "file",
    summary: "TrustDomain and Workload resources: files and directories, watched (`registrations` in the state directory)",
  },
  "identity.keyType": {
    kind: "choice",
    choices: ["ec-p256", "ec-p384", "rsa-2048", "rsa-3072", "rsa-4096"],
    default: "ec-p256",
    summary: "type of the authority's keys, unless the TrustDomain resource says otherwise",
  },
  "identity.caTtl": { kind: "duration", value: "TIME", default: 2_592_000_000, summary: "how long an authority of certificates lives" },
  "identity.tokenKeyTtl": { kind: "duration", value: "TIME", default: 604_800_000, summary: "how long a key that signs tokens lives" },
  "identity.refreshHint": { kind: "duration", value: "TIME", default: 300_000, summary: "how often others should fetch the trust bundle" },
  "identity.agentListen": { kind: "text", value: "HOST:PORT", summary: "address for agents on other machines (none unless given)" },
  "identity.agentLoss": {
    kind: "duration",
    value: "TIME",
    summary: "how long an agent may be away before it, and what it alone serves, is denied (for ever unless given)",
  },
  "identity.bundleListen": {
    kind: "text",
    value: "HOST:PORT",
    summary: "address of the bundle endpoint and OpenID Connect discovery (none unless given)",
  },
  "identity.witKeys": {
    kind: "choice",
    choices: ["omit", "serve"],
    default: "omit",
    summary: "keys of WIT-SVIDs in the bundle that is served: SPIRE before 1.15.3 takes no bundle that has them",
  },
  "identity.bundleCertificate": {
    kind: "text",
    value: "FILE",
    completes: "file",
    summary: "the bundle endpoint's certificate, PEM; an SVID of the trust domain unless given",
  },
  "identity.bundleKey": { kind: "text", value: "FILE", completes: "file", summary: "its private key, PEM" },
  "identity.oidcHosts": { kind: "list", value: "NAME", summary: "host names for which OpenID Connect discovery is answered" },
  "identity.issuer": { kind: "text", value: "URL", summary: "`iss` of JWT-SVIDs, for OpenID Connect (none unless given)" },
  "identity.upstreamCertificate": {
    kind: "text",
    value: "FILE",
    completes: "file",
    summary: "certificate of an upstream authority, PEM; the authority is a root of its own unless given",
  },
  "identity.upstreamKey": { kind: "text", value: "FILE", completes: "file", summary: "the upstream authority's private key, PEM" },
  "identity.upstreamBundle": { kind: "text", value: "FILE", completes: "file", summary: "the roots above the upstream authority, PEM" },
  "identity.upstreamServer": {
    kind: "text",
    value: "HOST:PORT",
    summary: "SPIRE server of the same trust domain that is the upstream authority (none unless given)",
  },
  "identity.upstreamSocket": {
    kind: "text",
    value: "PATH",
    completes: "file",
    summary: "unix socket of the agent that gives the authority an identity which that server knows as downstream",
  },
  "identity.downstreamListen": {
    kind: "text",
    value: "HOST:PORT",
    summary: "address for authorities below: SPIRE servers, or other Vigils (none unless given)",
  },
  "identity.webAuthorities": {
    kind: "text",
    value: "FILE",
    completes: "file",
    summary: "authorities of https_web bundle endpoints, PEM; the public ones unless given",
  },
  "identity.authority": {
    kind: "text",
    value: "HOST:PORT",
    summary: "the authority on another machine that the agent follows (the one of this Vigil unless given)",
  },
  "identity.authorityBundle": {
    kind: "text",
    value: "FILE",
    completes: "file",
    summary: "what that authority is verified with at first: what `vigil trust show --bundle` prints there",
  },
  "identity.joinToken": {
    kind: "text",
    value: "FILE",
    completes: "file",
    summary: "file with the one-time token of `vigil trust token`, with which the agent shows which node this is",
  },
  "identity.nodeCertificate": {
    kind: "text",
    value: "FILE",
    completes: "file",
    summary: "instead of a token: a certificate that the authority accepts for nodes, or an SVID, PEM",
  },
  "identity.nodeKey": { kind: "text", value: "FILE", completes: "file", summary: "its private key, PEM" },
  "identity.socket": {
    kind: "text",
    value: "PATH",
    completes: "file",
    summary: "unix socket where workloads get their identities (/run/vigil/agent.sock, or agent.sock in another state directory)",
  },
  "identity.brokerSocket": {
    kind: "text",
    value: "PATH",
    completes: "file",
    summary: "unix socket where proxies of the node get identities of the processes behind them (none unless given)",
  },
  "identity.wait": {
    kind: "duration",
    value: "TIME",
    default: 30_000,
    summary: "how long a workload that is not registered yet may wait before it is refused",
  },
  "identity.authorityTelemetry": {
    kind: "text",
    value: "HOST:PORT",
    summary: "address of the authority's metrics and health over HTTP (none unless given)",
  },
  "telemetry.otlpEndpoint": {
    kind: "text",
    value: "URL",
    summary: "collector that gets spans as OTLP over HTTP (OTEL_EXPORTER_OTLP_ENDPOINT; none unless given)",
  },
  "identity.telemetry": {
    kind: "text",
    value: "HOST:PORT",
    summary: "address of the agent's metrics and health over HTTP (none unless given)",
  },
  "network.mode": {
    kind: "choice",
    choices: ["enforce", "audit", "off"],
    default: "enforce",
    summary: "access policies in the kernel of this host: enforce, report what would be denied, or leave them to services (needs root)",
  },
  "network.keep": {
    kind: "choice",
    choices: ["killed", "always", "never"],
    default: "killed",
    summary: "when access policies stay in force in the kernel without Vigil: when it was killed, also when it was stopped, or never",
  },
  "network.force": { kind: "boolean", summary: "puts access policies in force even if they cut connections of Vigil itself" },
  "network.deniedByDefault": { kind: "list", value: "NAME", summary: "trust domains whose workloads may do only what a policy allows" },
  "network.resolvers": {
    kind: "list",
    value: "ADDRESS",
    summary: "DNS resolvers whose answers say where names of access policies are (those of /etc/resolv.conf unless given)",
  },
  "network.refusedNames": {
    kind: "choice",
    choices: ["refused", "no-such-name"],
    default: "refused",
    summary: "how questions for names that no access policy allows are answered; programs that try search domains need no-such-name",
  },
  "runtime.rules": {
    kind: "list",
    value: "PATH",
    completes: "file",
    summary:
      "RuntimePolicies and rule files of Falco that judge what processes of this host do, `builtin`, or `none` (as root the built-in policies unless given)",
  },
  "runtime.systemCalls": {
    kind: "choice",
    choices: ["auto", "on", "off"],
    default: "auto",
    summary:
      "whether programs watch system calls, which costs every call of the host 0.1 µs: where rules or events that are given need it, or never",
  },
  "runtime.store": {
    kind: "list",
    value: "EVENT",
    summary:
      "what of processes is stored: `process`, `file`, `network`, one as `file.write`, or `none` (programs, connections and ports unless given)",
  },
  "runtime.storePerSecond": {
    kind: "integer",
    value: "N",
    min: 1,
    max: 10_000,
    default: 50,
    summary: "of these, events that are stored a second, on average over ten; the rest is counted",
  },
  "events.keepDays": { kind: "integer", value: "DAYS", min: 1, max: 3_650, default: 30, summary: "days that events are kept" },
  "events.keepMebibytes": {
    kind: "integer",
    value: "MIB",
    min: 16,
    max: 16_777_216,
    default: 4_096,
    summary: "MiB that events may take; the oldest day goes first",
  },
} as const;

export type SettingKey = keyof typeof SETTINGS;
export type Settings = FlagValues<typeof SETTINGS>;

/** Where a value comes from: `default`, `flag --listen`, `environment VIGIL_…`, or `file:line`. */
export type Origins = { readonly [K in SettingKey]: string };

export interface ResolvedSettings {
  readonly values: Settings;
  readonly origins: Origins;
}

type SettingValue = FlagValue | readonly string[] | undefined;

export interface SettingSources {
  /** What flags say, by key of the setting; undefined and empty lists say nothing. */
  readonly flags: { readonly [K in SettingKey]?: { readonly flag: string; readonly value: SettingValue } };
  readonly environment: { readonly [name: string]: string | undefined };
  readonly file: Document<JsonValue> | undefined;
}

/** `admission.maxInFlight` → `VIGIL_ADMISSION_MAX_IN_FLIGHT` */
export const environmentName = (key: string): string => `VIGIL_${key.replaceAll(/[A-Z]/g, "_$&").replaceAll(".", "_").toUpperCase()}`;

interface Stated {
  readonly value: SettingValue;
  readonly origin: string;
}

/** Every setting with its origin, or all that is wrong with the environment and the file. */
export function resolveSettings(sources: SettingSources): Result<ResolvedSettings, readonly Diagnostic[]> {
  const file = sources.file === undefined ? undefined : readSettingsFile(sources.file, SETTINGS);
  const environment = readEnvironment(sources.environment);
  const diagnostics = [...environment.diagnostics, ...(file?.diagnostics ?? [])];
  if (diagnostics.length > 0) return err(diagnostics);
  const flags = new Map(Object.entries(sources.flags).map(([key, given]) => [key, statedByFlag(given)]));
  const stated = Object.entries<Flag>(SETTINGS).map(([key, setting]): [string, Stated] => [
    key,
    flags.get(key) ?? environment.stated.get(key) ?? file?.stated.get(key) ?? { value: unset(setting), origin: "default" },
  ]);
  const values = Object.fromEntries(stated.map(([key, { value }]) => [key, value]));
  const origins = Object.fromEntries(stated.map(([key, { origin }]) => [key, origin]));
  // Every key of SETTINGS is there, with a value that was read by the rules of its flag.
  return ok({ values: values as Settings, origins: origins as Origins });
}

function statedByFlag({ flag, value }: { readonly flag: string; readonly value: SettingValue }): Stated | undefined {
  return value === undefined || (Array.isArray(value) && value.length === 0) ? undefined : { value, origin: `flag --${flag}` };
}

/** Variables of settings; an empty one says nothing, the items of a list are separated by commas. */
function readEnvironment(environment: SettingSources["environment"]): {
  readonly stated: ReadonlyMap<string, Stated>;
  readonly diagnostics: readonly Diagnostic[];
} {
  const stated = new Map<string, Stated>();
  const diagnostics: Diagnostic[] = [];
  for (const [key, setting] of Object.entries<Flag>(SETTINGS)) {
    const name = environmentName(key);
    const text = environment[name];
    if (text === undefined || text === "") continue;
    const items = text.split(",").map((item) => item.trim());
    const parsed = setting.kind === "list" ? ok(items.filter((item) => item !== "")) : parseFlagText(setting, text);
    if (parsed.ok) stated.set(key, { value: parsed.value, origin: `environment ${name}` });
    else {
      const message = `expected ${parsed.error}, got \`${text}\``;
      const place = { file: `<${name}>`, line: 1, column: 1, length: text.length, sourceLine: text };
      diagnostics.push({ code: "CONFIG_ENVIRONMENT", severity: "error", message, ...place });
    }
  }
  return { stated, diagnostics };
}
