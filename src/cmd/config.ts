/** The configuration of this run: flags, environment and file together. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { VigilError } from "../lib/error.ts";
import { ok, type Result } from "../lib/result.ts";
import type { Invocation } from "./command.ts";
import { readInput, readOptionalValue } from "./read-input.ts";
import { type ResolvedSettings, resolveSettings, type SettingSources } from "./settings.ts";
import type { ConfigErrorCode } from "./settings-file.ts";

export interface Configuration extends ResolvedSettings {
  readonly values: ResolvedSettings["values"] & { readonly "state.directory": string };
  /** The file that was read; undefined when there is none. */
  readonly file: string | undefined;
}

/** The settings in force, or what is wrong with them. Throws `CONFIG_FILE` when a file that was named is not there. */
export function loadConfiguration(
  { environment, terminal }: Pick<Invocation, "environment" | "terminal">,
  named: string | undefined,
  flags: SettingSources["flags"] = {},
): Result<Configuration, readonly Diagnostic[]> {
  const file = configurationFile(environment, named);
  const document = file === undefined ? undefined : readOptionalValue(readInput(file, terminal), file);
  if (document?.ok === false) return document;
  const resolved = resolveSettings({ flags, environment, file: document?.value });
  if (!resolved.ok) return resolved;
  const { values, origins } = resolved.value;
  const directory = values["state.directory"] ?? defaultStateDirectory(environment);
  return ok({ values: { ...values, "state.directory": resolve(directory) }, origins, file });
}

/** Where state lives unless someone says otherwise: /var/lib/vigil for root, else under $XDG_STATE_HOME. */
function defaultStateDirectory(environment: Invocation["environment"]): string {
  if (process.getuid?.() === 0) return "/var/lib/vigil";
  return join(environment["XDG_STATE_HOME"] || join(environment["HOME"] || ".", ".local/state"), "vigil");
}

function configurationFile(environment: Invocation["environment"], named: string | undefined): string | undefined {
  const stated = named ?? environment["VIGIL_CONFIG"];
  if (stated !== undefined) {
    if (existsSync(stated)) return stated;
    throw new VigilError<ConfigErrorCode>("CONFIG_FILE", `the configuration file \`${stated}\` does not exist`);
  }
  const folder = process.getuid?.() === 0 ? "/etc" : environment["XDG_CONFIG_HOME"] || join(environment["HOME"] || "/", ".config");
  const usual = join(folder, "vigil/vigil.yaml");
  return existsSync(usual) ? usual : undefined;
}
