/**
 * Settings: what a long-running Vigil can be told. Each has a key in the configuration file, an environment variable, and
 * sometimes a flag. The first of these that states it wins: flag, environment, file, default.
 */
import type { Diagnostic } from "../lib/diagnostic.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Document } from "../resource/document.ts";
import type { Flag, Flags, FlagValues } from "./command.ts";
import { parseFlagText } from "./flag-text.ts";
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

export interface SettingSources {
  /** Values that flags stated, by key; undefined and empty lists are not stated. */
  readonly flags: { readonly [key: string]: { readonly flag: string; readonly value: FlagValues<Flags>[string] } };
  readonly environment: { readonly [name: string]: string | undefined };
  readonly file: Document | undefined;
}

/** `admission.maxInFlight` → `VIGIL_ADMISSION_MAX_IN_FLIGHT` */
export const environmentName = (key: string): string => `VIGIL_${key.replaceAll(/[A-Z]/g, "_$&").replaceAll(".", "_").toUpperCase()}`;

/** A value that somebody gave, and where. */
export type Stated = { readonly value: FlagValues<Flags>[string]; readonly origin: string };

/** Every setting with its origin, or all that is wrong with the environment and the file. */
export function resolveSettings({ flags, environment, file }: SettingSources): Result<ResolvedSettings, readonly Diagnostic[]> {
  const fromFile = file === undefined ? { stated: new Map<string, Stated>(), diagnostics: [] } : readSettingsFile(file, SETTINGS);
  const diagnostics: Diagnostic[] = [...fromFile.diagnostics];
  const values: Record<string, Stated["value"]> = {};
  const origins: Record<string, string> = {};
  for (const [key, setting] of Object.entries<Flag>(SETTINGS)) {
    const name = environmentName(key);
    const fromEnvironment = environment[name] === undefined ? undefined : readVariable(name, setting, environment[name]);
    if (fromEnvironment?.ok === false) diagnostics.push(fromEnvironment.error);
    const stated: Stated = statedByFlag(flags[key]) ??
      (fromEnvironment?.ok ? fromEnvironment.value : undefined) ??
      fromFile.stated.get(key) ?? {
        value: setting.kind === "list" ? [] : "default" in setting ? setting.default : undefined,
        origin: "default",
      };
    values[key] = stated.value;
    origins[key] = stated.origin;
  }
  // The loop has filled in every key of SETTINGS, each by the rules of its flag.
  return diagnostics.length > 0 ? err(diagnostics) : ok({ values: values as Settings, origins: origins as Origins });
}

function statedByFlag(given: SettingSources["flags"][string] | undefined): Stated | undefined {
  if (given?.value === undefined || (Array.isArray(given.value) && given.value.length === 0)) return undefined;
  return { value: given.value, origin: `flag --${given.flag}` };
}

/** A list is separated by commas. */
function readVariable(name: string, setting: Flag, text: string): Result<Stated, Diagnostic> {
  const origin = `environment ${name}`;
  if (setting.kind === "list")
    return ok({
      value: text
        .split(",")
        .map((item) => item.trim())
        .filter(Boolean),
      origin,
    });
  const parsed = parseFlagText(setting, text);
  if (parsed.ok) return ok({ value: parsed.value, origin });
  const message = `expected ${parsed.error}, got \`${text}\``;
  return err({
    code: "CONFIG_ENVIRONMENT",
    severity: "error",
    message,
    file: `<${name}>`,
    line: 1,
    column: 1,
    length: text.length,
    sourceLine: text,
  });
}
