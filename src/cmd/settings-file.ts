/** The configuration file: a mapping whose nested keys are the keys of settings (`admission:` `listen:`). */
import type { Diagnostic } from "../lib/diagnostic.ts";
import type { JsonObject, JsonValue } from "../lib/json.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { closestName } from "../lib/suggestion.ts";
import type { Document } from "../resource/document.ts";
import type { Flag, Flags } from "./command.ts";
import { expectation, type FlagValue, parseFlagText } from "./flag-text.ts";

export type ConfigErrorCode = "CONFIG_UNKNOWN_KEY" | "CONFIG_VALUE" | "CONFIG_ENVIRONMENT" | "CONFIG_FILE";

/** What the file states, by key, and everything in it that is no setting. */
export interface SettingsFile {
  readonly stated: ReadonlyMap<string, { readonly value: FlagValue | readonly string[]; readonly origin: string }>;
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads a configuration file against the table of settings. */
export function readSettingsFile(file: Document, settings: Flags): SettingsFile {
  const stated = new Map<string, { value: FlagValue | readonly string[]; origin: string }>();
  const diagnostics: Diagnostic[] = [];
  const keys = Object.keys(settings);
  const complain = (code: ConfigErrorCode, path: readonly string[], message: string, length: number, hint?: string): void => {
    const place = code === "CONFIG_UNKNOWN_KEY" ? file.locateKey(path) : file.locate(path);
    diagnostics.push({ code, severity: "error", message, file: file.file, ...place, length, ...(hint === undefined ? {} : { hint }) });
  };
  const walk = (object: JsonObject, path: readonly string[]): void => {
    for (const [name, value] of Object.entries(object)) {
      const here = [...path, name];
      const key = here.join(".");
      const setting = Object.hasOwn(settings, key) ? settings[key] : undefined;
      if (setting !== undefined) {
        const read = readValue(setting, value);
        if (read.ok) stated.set(key, { value: read.value, origin: `${file.file}:${file.locate(here).line}` });
        else complain("CONFIG_VALUE", here, `\`${key}\`: expected ${read.error}, got ${describe(value)}`, 1);
      } else if (keys.some((known) => known.startsWith(`${key}.`)) && isObject(value)) {
        walk(value, here);
      } else if (keys.some((known) => known.startsWith(`${key}.`))) {
        complain("CONFIG_VALUE", here, `\`${key}\`: expected a mapping, got ${describe(value)}`, 1);
      } else {
        const meant =
          closestName(key, keys) ??
          closestName(
            name,
            keys.map((known) => known.split(".")[path.length] ?? ""),
          );
        const hint = meant === undefined ? "`vigil config show` lists the settings" : `did you mean \`${meant}\`?`;
        complain("CONFIG_UNKNOWN_KEY", here, `unknown setting \`${key}\``, name.length, hint);
      }
    }
  };
  walk(file.value, []);
  return { stated, diagnostics };
}

function readValue(setting: Flag, value: JsonValue): Result<FlagValue | readonly string[], string> {
  if (setting.kind === "list") {
    const items = Array.isArray(value) ? value : [value];
    return items.every((item) => typeof item === "string") ? ok(items) : err("a list of texts");
  }
  const isScalar = typeof value === "string" || typeof value === "number" || typeof value === "boolean";
  return isScalar ? parseFlagText(setting, String(value)) : err(expectation(setting));
}

const isObject = (value: JsonValue): value is JsonObject => typeof value === "object" && value !== null && !Array.isArray(value);

const describe = (value: JsonValue): string =>
  Array.isArray(value) ? "a list" : isObject(value) ? "a mapping" : value === null ? "nothing" : `\`${String(value).slice(0, 80)}\``;
