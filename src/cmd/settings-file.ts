/** The configuration file: a mapping whose nested keys are the keys of settings (`admission:` `listen:`). */
import { dirname, resolve } from "node:path";
import type { Diagnostic } from "../lib/diagnostic.ts";
import type { JsonObject, JsonValue } from "../lib/json.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { closestName } from "../lib/suggestion.ts";
import { type Document, describe, diagnose } from "../resource/document.ts";
import type { Flag, Flags } from "./command.ts";
import { expectation, type FlagValue, parseFlagText } from "./flag-text.ts";

export type ConfigErrorCode = "CONFIG_UNKNOWN_KEY" | "CONFIG_VALUE" | "CONFIG_ENVIRONMENT" | "CONFIG_FILE";

/** What the file states, by key, and everything in it that is no setting. */
export interface SettingsFile {
  readonly stated: ReadonlyMap<string, { readonly value: FlagValue | readonly string[]; readonly origin: string }>;
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads a configuration file against the table of settings. Paths in it are relative to its folder. */
export function readSettingsFile(file: Document<JsonValue>, settings: Flags): SettingsFile {
  const stated = new Map<string, { value: FlagValue | readonly string[]; origin: string }>();
  const diagnostics: Diagnostic[] = [];
  const keys = Object.keys(settings);
  const isPrefix = (key: string): boolean => keys.some((known) => known.startsWith(`${key}.`));
  const expected = (path: readonly string[], what: string, value: JsonValue): void => {
    const subject = path.length === 0 ? "the configuration" : `\`${path.join(".")}\``;
    diagnostics.push(diagnose(file, path, { code: "CONFIG_VALUE", message: `${subject}: expected ${what}, got ${describe(value)}` }));
  };
  const walk = (value: JsonValue, path: readonly string[]): void => {
    if (value !== null && !isMapping(value)) expected(path, "a mapping", value);
    for (const [name, item] of isMapping(value) ? Object.entries(value) : []) {
      const here = [...path, name];
      const key = here.join(".");
      const setting = Object.hasOwn(settings, key) ? settings[key] : undefined;
      if (setting === undefined && isPrefix(key)) walk(item, here);
      else if (setting === undefined) diagnostics.push(unknownSetting(file, here, keys));
      else {
        const read = readSetting(setting, item, dirname(file.file));
        if (read.ok) stated.set(key, { value: read.value, origin: `${file.file}:${file.locate(here).line}` });
        else expected(here, read.error, item);
      }
    }
  };
  walk(file.value, []);
  return { stated, diagnostics };
}

function unknownSetting(file: Document<JsonValue>, path: readonly string[], keys: readonly string[]): Diagnostic {
  const key = path.join(".");
  const parts = keys.map((known) => known.split(".")[path.length - 1] ?? "");
  const meant = closestName(key, keys) ?? closestName(path.at(-1) ?? "", parts);
  const hint = meant === undefined ? "`vigil config show` lists the settings" : `did you mean \`${meant}\`?`;
  return diagnose(file, path, { code: "CONFIG_UNKNOWN_KEY", message: `unknown setting \`${key}\``, hint, atKey: true });
}

function readSetting(setting: Flag, value: JsonValue, folder: string): Result<FlagValue | readonly string[], string> {
  const isPath = "completes" in setting && setting.completes !== undefined;
  const place = (text: FlagValue): FlagValue => (isPath && typeof text === "string" ? resolve(folder, text) : text);
  if (setting.kind === "list") {
    const items = Array.isArray(value) ? value : [value];
    return items.every((item) => typeof item === "string") ? ok(items.map((item) => String(place(item)))) : err("a list of texts");
  }
  const isScalar = typeof value === "string" || typeof value === "number" || typeof value === "boolean";
  const parsed = isScalar ? parseFlagText(setting, String(value)) : err(expectation(setting));
  return parsed.ok ? ok(place(parsed.value)) : parsed;
}

const isMapping = (value: JsonValue): value is JsonObject => typeof value === "object" && value !== null && !Array.isArray(value);
