/** The items of a rule file: rules, macros, lists and what the file requires. UNTRUSTED: each is checked before it is one. */
import type { Diagnostic } from "../lib/diagnostic.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../lib/json.ts";
import { closestName } from "../lib/suggestion.ts";
import { diagnoseAt, type RuleDocument, type Spot, type SpottedText } from "./diagnostic.ts";

export const PRIORITIES = ["EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFORMATIONAL", "DEBUG"] as const;
export type Priority = (typeof PRIORITIES)[number];

export interface ListItem {
  readonly kind: "list";
  readonly name: string;
  readonly spot: Spot;
  readonly items: readonly SpottedText[];
  readonly isAppended: boolean;
}

export interface MacroItem {
  readonly kind: "macro";
  readonly name: string;
  readonly spot: Spot;
  readonly condition: SpottedText;
  readonly isAppended: boolean;
}

/** An exception of a rule: who is left alone. */
export interface RuleException {
  readonly name: string;
  readonly spot: Spot;
  readonly fields: readonly string[];
  readonly comparisons: readonly string[];
  /** One list of values for each field. */
  readonly values: readonly (readonly (string | readonly string[])[])[];
  /** Written as one field and one list: the values are those of that field. */
  readonly isSingle: boolean;
}

/** A rule as an item gives it: undefined where it says nothing. */
export interface RuleItem {
  readonly kind: "rule";
  readonly name: string;
  readonly spot: Spot;
  readonly condition: SpottedText | undefined;
  readonly output: SpottedText | undefined;
  readonly description: SpottedText | undefined;
  readonly priority: Priority | undefined;
  readonly isEnabled: boolean | undefined;
  readonly tags: readonly string[] | undefined;
  readonly source: string | undefined;
  readonly exceptions: readonly RuleException[] | undefined;
  readonly isSkippedWhenUnknown: boolean | undefined;
  /** What is added to what is there, and what takes its place. */
  readonly overrides: ReadonlyMap<string, "append" | "replace"> | undefined;
}

export type RuleFileItem = ListItem | MacroItem | RuleItem;

/** The newest rule language that is understood here: falcosecurity/libs at the version that rules of 0.57.0 need. */
const ENGINE_VERSION = [0, 57, 0] as const;
const MAX_ITEMS = 20_000;
/** Plugins whose fields the sensor has itself. */
const KNOWN_PLUGINS = ["container", "k8smeta"];

const RULE_KEYS = [
  "rule",
  "desc",
  "condition",
  "output",
  "priority",
  "enabled",
  "tags",
  "source",
  "exceptions",
  "warn_evttypes",
  "skip-if-unknown-filter",
  "append",
  "override",
  "capture",
  "capture_duration",
];
const OVERRIDABLE = ["condition", "output", "desc", "tags", "exceptions", "priority", "enabled", "source", "items", "warn_evttypes"];

/** What a document holds. What is wrong is told; every other item is there. */
export function readRuleFile(document: RuleDocument): {
  readonly items: readonly RuleFileItem[];
  readonly diagnostics: readonly Diagnostic[];
} {
  const reader = new RuleFileReader(document);
  return { items: reader.read(), diagnostics: reader.diagnostics };
}

type Report = Omit<Parameters<typeof diagnoseAt>[1], "code">;

class RuleFileReader {
  readonly diagnostics: Diagnostic[] = [];
  readonly #document: RuleDocument;

  constructor(document: RuleDocument) {
    this.#document = document;
  }

  read(): readonly RuleFileItem[] {
    const { value } = this.#document;
    if (value === null) return [];
    if (!isJsonArray(value)) {
      this.#report([], {
        message: "expected a list of rules, macros and lists",
        hint: "each item begins with `- rule:`, `- macro:` or `- list:`",
      });
      return [];
    }
    if (value.length > MAX_ITEMS) {
      this.#report([], { message: `expected at most ${MAX_ITEMS} items in a file`, hint: "split the file" });
      return [];
    }
    return value.flatMap((item, index) => this.#item(item, index) ?? []);
  }

  #report(path: readonly (string | number)[], about: Report): undefined {
    this.diagnostics.push(diagnoseAt({ document: this.#document, path }, { code: "FALCO_FILE", ...about }));
  }

  #item(item: JsonValue, index: number): RuleFileItem | undefined {
    if (!isJsonObject(item)) return this.#report([index], { message: "expected a rule, a macro or a list" });
    if ("rule" in item) return this.#rule(item, index);
    if ("macro" in item) return this.#macro(item, index);
    if ("list" in item) return this.#list(item, index);
    if ("required_engine_version" in item) return this.#engineVersion(item, index);
    if ("required_plugin_versions" in item) return this.#plugins(item, index);
    const [first = "nothing"] = Object.keys(item);
    return this.#report([index], { message: `expected an item that is a rule, a macro or a list, got \`${first}\`` });
  }

  #name(item: JsonObject, index: number, kind: "rule" | "macro" | "list"): string | undefined {
    const name = this.#text(item, index, kind)?.text;
    if (name === undefined || name.trim() !== "") return name;
    return this.#report([index, kind], { message: `expected the ${kind} to have a name` });
  }

  #text(item: JsonObject, index: number, key: string): SpottedText | undefined {
    const value = Object.hasOwn(item, key) ? item[key] : undefined;
    if (value === undefined || value === null) return undefined;
    if (typeof value === "object") return this.#report([index, key], { message: `expected \`${key}\` to be a text` });
    return { document: this.#document, path: [index, key], text: String(value) };
  }

  #flag(item: JsonObject, index: number, key: string): boolean | undefined {
    const value = Object.hasOwn(item, key) ? item[key] : undefined;
    if (value === undefined || typeof value === "boolean") return value;
    return this.#report([index, key], { message: `expected \`${key}\` to be true or false` });
  }

  #texts(item: JsonObject, index: number, key: string): readonly SpottedText[] | undefined {
    const value = Object.hasOwn(item, key) ? item[key] : undefined;
    if (value === undefined || value === null) return undefined;
    if (!isJsonArray(value)) return this.#report([index, key], { message: `expected \`${key}\` to be a list` });
    return value.flatMap((child, position) => {
      if (child !== null && typeof child !== "object")
        return [{ document: this.#document, path: [index, key, position], text: String(child) }];
      this.#report([index, key, position], { message: "expected a text" });
      return [];
    });
  }

  #unknownKeys(item: JsonObject, index: number, known: readonly string[]): void {
    for (const key of Object.keys(item)) {
      if (known.includes(key)) continue;
      const near = closestName(key, known);
      this.#report([index, key], {
        message: `unknown key \`${key}\``,
        severity: "warning",
        ...(near === undefined ? {} : { hint: `did you mean \`${near}\`?` }),
      });
    }
  }

  #list(item: JsonObject, index: number): ListItem | undefined {
    this.#unknownKeys(item, index, ["list", "items", "append", "override"]);
    const name = this.#name(item, index, "list");
    const items = this.#texts(item, index, "items");
    if (name === undefined) return undefined;
    if (items === undefined) return this.#report([index], { message: `expected the list \`${name}\` to have \`items\`` });
    const isAppended = this.#isAppended(item, index, "items");
    return { kind: "list", name, items, isAppended, spot: this.#spot(index, "list") };
  }

  #macro(item: JsonObject, index: number): MacroItem | undefined {
    this.#unknownKeys(item, index, ["macro", "condition", "append", "override"]);
    const name = this.#name(item, index, "macro");
    const condition = this.#text(item, index, "condition");
    if (name === undefined) return undefined;
    if (condition === undefined) return this.#report([index], { message: `expected the macro \`${name}\` to have a \`condition\`` });
    const isAppended = this.#isAppended(item, index, "condition");
    return { kind: "macro", name, condition, isAppended, spot: this.#spot(index, "macro") };
  }

  #spot(index: number, key: string): Spot {
    return { document: this.#document, path: [index, key] };
  }

  #isAppended(item: JsonObject, index: number, key: string): boolean {
    return (this.#flag(item, index, "append") ?? false) || this.#overrides(item, index)?.get(key) === "append";
  }

  #overrides(item: JsonObject, index: number): ReadonlyMap<string, "append" | "replace"> | undefined {
    const value = Object.hasOwn(item, "override") ? item["override"] : undefined;
    if (value === undefined || value === null) return undefined;
    if (!isJsonObject(value)) return this.#report([index, "override"], { message: "expected `override` to be a mapping" });
    const overrides = new Map<string, "append" | "replace">();
    for (const [key, how] of Object.entries(value)) {
      if (!OVERRIDABLE.includes(key)) this.#report([index, "override", key], { message: `\`${key}\` cannot be overridden` });
      else if (how === "append" || how === "replace") overrides.set(key, how);
      else this.#report([index, "override", key], { message: `expected \`append\` or \`replace\`, got \`${String(how)}\`` });
    }
    return overrides;
  }

  #rule(item: JsonObject, index: number): RuleItem | undefined {
    this.#unknownKeys(item, index, RULE_KEYS);
    const name = this.#name(item, index, "rule");
    if (name === undefined) return undefined;
    const isAppended = this.#flag(item, index, "append") ?? false;
    const appended = new Map<string, "append">([
      ["condition", "append"],
      ["exceptions", "append"],
    ]);
    return {
      kind: "rule",
      name,
      spot: this.#spot(index, "rule"),
      condition: this.#text(item, index, "condition"),
      output: this.#text(item, index, "output"),
      description: this.#text(item, index, "desc"),
      priority: this.#priority(item, index),
      isEnabled: this.#flag(item, index, "enabled"),
      tags: this.#texts(item, index, "tags")?.map(({ text }) => text),
      source: this.#text(item, index, "source")?.text,
      exceptions: this.#exceptions(item, index),
      isSkippedWhenUnknown: this.#flag(item, index, "skip-if-unknown-filter"),
      overrides: isAppended ? appended : this.#overrides(item, index),
    };
  }

  #priority(item: JsonObject, index: number): Priority | undefined {
    const written = this.#text(item, index, "priority");
    if (written === undefined) return undefined;
    const name = written.text.trim().toUpperCase();
    const found = PRIORITIES.find((priority) => priority === name || (name === "INFO" && priority === "INFORMATIONAL"));
    if (found !== undefined) return found;
    return this.#report([index, "priority"], { message: `expected a priority, got \`${written.text}\``, hint: PRIORITIES.join(", ") });
  }

  #exceptions(item: JsonObject, index: number): readonly RuleException[] | undefined {
    const value = Object.hasOwn(item, "exceptions") ? item["exceptions"] : undefined;
    if (value === undefined || value === null) return undefined;
    if (!isJsonArray(value)) return this.#report([index, "exceptions"], { message: "expected `exceptions` to be a list" });
    return value.flatMap((exception, position) => this.#exception(exception, [index, "exceptions", position]) ?? []);
  }

  #exception(value: JsonValue, path: readonly (string | number)[]): RuleException | undefined {
    if (!isJsonObject(value)) return this.#report(path, { message: "expected an exception with `name`, `fields` and `values`" });
    const { name, fields, comps, values } = value;
    if (typeof name !== "string") return this.#report(path, { message: "expected the exception to have a `name`" });
    const isSingle = typeof fields === "string";
    const names = isSingle ? [fields] : stringsOf(fields);
    if (fields !== undefined && fields !== null && names === undefined)
      return this.#report([...path, "fields"], { message: "expected `fields` to be the name of a field, or a list of names" });
    const comparisons = typeof comps === "string" ? [comps] : stringsOf(comps);
    if (comps !== undefined && comps !== null && comparisons === undefined)
      return this.#report([...path, "comps"], { message: "expected `comps` to be an operator, or a list of operators" });
    const tuples = tuplesOf(values, isSingle);
    if (tuples === undefined)
      return this.#report([...path, "values"], { message: "expected `values` to be a list with a value for each field" });
    const shape = { name, spot: { document: this.#document, path }, fields: names ?? [], isSingle, values: tuples };
    const usual = (names ?? []).map(() => (isSingle ? "in" : "="));
    return { ...shape, comparisons: comparisons ?? usual };
  }

  #engineVersion(item: JsonObject, index: number): undefined {
    const written = String(item["required_engine_version"]);
    const version = /^\d+$/.test(written) ? [0, Number(written), 0] : written.split(".").map(Number);
    if (version.length !== 3 || version.some((part) => !Number.isInteger(part)))
      return this.#report([index, "required_engine_version"], { message: `expected a version such as \`0.57.0\`, got \`${written}\`` });
    if (!isNewer(version)) return undefined;
    this.diagnostics.push(
      diagnoseAt(this.#spot(index, "required_engine_version"), {
        code: "FALCO_VERSION",
        message: `the rules need version \`${written}\` of the rule language, known here is \`${ENGINE_VERSION.join(".")}\``,
        hint: "what is new in it may be refused below",
        severity: "warning",
      }),
    );
    return undefined;
  }

  #plugins(item: JsonObject, index: number): undefined {
    const plugins = item["required_plugin_versions"];
    for (const [position, plugin] of (isJsonArray(plugins) ? plugins : []).entries()) {
      const name = isJsonObject(plugin) ? String(plugin["name"]) : "";
      if (KNOWN_PLUGINS.includes(name)) continue;
      this.#report([index, "required_plugin_versions", position], {
        message: `plugins are not loaded: \`${name}\``,
        hint: "rules that need its events or fields do not run",
        severity: "warning",
      });
    }
    return undefined;
  }
}

function isNewer(version: readonly number[]): boolean {
  const at = version.findIndex((part, index) => part !== ENGINE_VERSION[index]);
  return at >= 0 && (version[at] ?? 0) > (ENGINE_VERSION[at] ?? 0);
}

function stringsOf(value: JsonValue | undefined): readonly string[] | undefined {
  if (!isJsonArray(value)) return undefined;
  const strings = value.filter((item) => typeof item === "string");
  return strings.length === value.length ? strings : undefined;
}

/** Of one field the values stand in the list themselves. */
function tuplesOf(value: JsonValue | undefined, isSingle: boolean): RuleException["values"] | undefined {
  if (value === undefined || value === null) return [];
  if (!isJsonArray(value)) return undefined;
  const isScalar = (item: JsonValue): boolean => item !== null && typeof item !== "object";
  if (isSingle) return value.every(isScalar) ? [[value.map(String)]] : undefined;
  const tuples: (string | readonly string[])[][] = [];
  for (const tuple of value) {
    if (!isJsonArray(tuple)) return undefined;
    const read: (string | readonly string[])[] = [];
    for (const item of tuple) {
      if (isJsonArray(item) && item.every(isScalar)) read.push(item.map(String));
      else if (isScalar(item)) read.push(String(item));
      else return undefined;
    }
    tuples.push(read);
  }
  return tuples;
}
