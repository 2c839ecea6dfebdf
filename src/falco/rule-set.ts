/** The rules of several files together: later items add to, replace and switch earlier ones, as Falco loads them. */
import type { Diagnostic } from "../lib/diagnostic.ts";
import { parseListItem } from "./condition-parser.ts";
import { diagnoseAt, type FalcoErrorCode, type RuleDocument, type Spot, type SpottedText } from "./diagnostic.ts";
import { type ListItem, type MacroItem, type Priority, type RuleException, type RuleItem, readRuleFile } from "./rule-file.ts";

/** A condition may be written in parts: what is appended follows after a blank. */
export type ConditionText = readonly SpottedText[];

export interface LoadedRule {
  readonly name: string;
  readonly spot: Spot;
  readonly condition: ConditionText;
  readonly output: ConditionText;
  readonly description: string;
  readonly priority: Priority;
  readonly isEnabled: boolean;
  readonly tags: readonly string[];
  readonly source: string;
  readonly exceptions: readonly RuleException[];
  readonly isSkippedWhenUnknown: boolean;
}

export interface LoadedMacro {
  readonly name: string;
  readonly spot: Spot;
  readonly condition: ConditionText;
}

export interface RuleSet {
  readonly rules: readonly LoadedRule[];
  readonly macros: ReadonlyMap<string, LoadedMacro>;
  /** The values of a list, the lists in it expanded. */
  readonly lists: ReadonlyMap<string, readonly string[]>;
  readonly diagnostics: readonly Diagnostic[];
}

export function loadRules(documents: readonly RuleDocument[]): RuleSet {
  const loader = new RuleLoader();
  for (const document of documents) {
    const { items, diagnostics } = readRuleFile(document);
    loader.diagnostics.push(...diagnostics);
    for (const item of items) loader.add(item);
  }
  return loader.finish();
}

const MAX_LIST_DEPTH = 50;
const MAX_LIST_VALUES = 100_000;

class RuleLoader {
  readonly diagnostics: Diagnostic[] = [];
  readonly #rules = new Map<string, LoadedRule>();
  readonly #macros = new Map<string, LoadedMacro>();
  readonly #lists = new Map<string, { readonly spot: Spot; readonly items: readonly SpottedText[] }>();

  add(item: ListItem | MacroItem | RuleItem): void {
    switch (item.kind) {
      case "list":
        this.#addList(item);
        break;
      case "macro":
        this.#addMacro(item);
        break;
      case "rule":
        this.#addRule(item);
        break;
      default:
        item satisfies never;
    }
  }

  finish(): RuleSet {
    const lists = new Map<string, readonly string[]>();
    for (const name of this.#lists.keys()) this.#expand(name, lists, 0);
    return { rules: [...this.#rules.values()], macros: this.#macros, lists, diagnostics: this.diagnostics };
  }

  #report(spot: Spot, message: string, hint?: string, code: FalcoErrorCode = "FALCO_NAME"): void {
    this.diagnostics.push(diagnoseAt(spot, { code, message, hint }));
  }

  #addList({ name, spot, items, isAppended }: ListItem): void {
    const before = this.#lists.get(name);
    if (isAppended && before === undefined) this.#report(spot, `there is no list \`${name}\` to append to`);
    else this.#lists.set(name, { spot: before?.spot ?? spot, items: isAppended ? [...(before?.items ?? []), ...items] : items });
  }

  #addMacro({ name, spot, condition, isAppended }: MacroItem): void {
    const before = this.#macros.get(name);
    if (isAppended && before === undefined) this.#report(spot, `there is no macro \`${name}\` to append to`);
    else this.#macros.set(name, { name, spot, condition: isAppended ? [...(before?.condition ?? []), condition] : [condition] });
  }

  #addRule(item: RuleItem): void {
    const { name, spot, overrides } = item;
    const before = this.#rules.get(name);
    const isSwitch = item.condition === undefined && item.output === undefined && item.exceptions === undefined;
    if (overrides === undefined && !(isSwitch && before !== undefined)) this.#define(item);
    else if (before === undefined) this.#report(spot, `there is no rule \`${name}\` to change`);
    else if (overrides === undefined) this.#rules.set(name, { ...before, isEnabled: item.isEnabled ?? before.isEnabled });
    else this.#rules.set(name, overridden(before, item, overrides));
  }

  #define(item: RuleItem): void {
    const { name, spot, condition, output, priority } = item;
    for (const [key, value] of Object.entries({ condition, output, priority }))
      if (value === undefined) this.#report(spot, `expected the rule \`${name}\` to have \`${key}\``, undefined, "FALCO_FILE");
    if (condition === undefined || output === undefined || priority === undefined) return;
    this.#rules.set(name, {
      name,
      spot,
      condition: [condition],
      output: [output],
      description: item.description?.text.trim() ?? "",
      priority,
      isEnabled: item.isEnabled ?? true,
      tags: item.tags ?? [],
      source: item.source ?? "syscall",
      exceptions: item.exceptions ?? [],
      isSkippedWhenUnknown: item.isSkippedWhenUnknown ?? false,
    });
  }

  #expand(name: string, done: Map<string, readonly string[]>, depth: number): readonly string[] {
    const known = done.get(name);
    if (known !== undefined) return known;
    const list = this.#lists.get(name);
    if (list === undefined) return [];
    if (depth > MAX_LIST_DEPTH) {
      this.#report(
        list.spot,
        `the list \`${name}\` contains itself, or lists nest more than ${MAX_LIST_DEPTH} deep`,
        undefined,
        "FALCO_LIMIT",
      );
      return [];
    }
    const values = new Set<string>();
    for (const item of list.items) {
      if (values.size > MAX_LIST_VALUES) {
        this.#report(list.spot, `expected at most ${MAX_LIST_VALUES} values in the list \`${name}\``, undefined, "FALCO_LIMIT");
        break;
      }
      if (this.#lists.has(item.text)) for (const value of this.#expand(item.text, done, depth + 1)) values.add(value);
      else this.#addValue(item, values);
    }
    const expanded = [...values];
    done.set(name, expanded);
    return expanded;
  }

  #addValue(item: SpottedText, values: Set<string>): void {
    const literal = parseListItem(item.text);
    if (literal !== undefined) values.add(literal.text);
    else this.#report(item, `the value \`${item.text}\` needs quotes of its own`, `write it as \`'"${item.text}"'\``, "FALCO_VALUE");
  }
}

function overridden(before: LoadedRule, item: RuleItem, overrides: ReadonlyMap<string, "append" | "replace">): LoadedRule {
  const list = <T>(key: string, old: readonly T[], fresh: readonly T[] | undefined): readonly T[] =>
    fresh === undefined ? old : overrides.get(key) === "append" ? [...old, ...fresh] : overrides.get(key) === "replace" ? fresh : old;
  const replaced = <T>(key: string, old: T, fresh: T | undefined): T => (overrides.has(key) && fresh !== undefined ? fresh : old);
  const description = item.description?.text.trim();
  return {
    ...before,
    condition: list("condition", before.condition, item.condition && [item.condition]),
    output: list("output", before.output, item.output && [item.output]),
    tags: list("tags", before.tags, item.tags),
    exceptions: mergedExceptions(list("exceptions", before.exceptions, item.exceptions)),
    description:
      description !== undefined && overrides.get("desc") === "append"
        ? `${before.description} ${description}`
        : replaced("desc", before.description, description),
    priority: replaced("priority", before.priority, item.priority),
    isEnabled: replaced("enabled", before.isEnabled, item.isEnabled),
    source: replaced("source", before.source, item.source),
  };
}

/** An exception that is appended under a name that is there gives it more values. */
function mergedExceptions(exceptions: readonly RuleException[]): readonly RuleException[] {
  const byName = new Map<string, RuleException>();
  for (const exception of exceptions) {
    const before = byName.get(exception.name);
    if (before === undefined) byName.set(exception.name, exception);
    else byName.set(exception.name, { ...before, values: [...before.values, ...exception.values] });
  }
  return [...byName.values()];
}
