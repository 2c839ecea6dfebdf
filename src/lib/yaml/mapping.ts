/** Building mappings: duplicate keys, forbidden keys and merge keys (`<<`). */
import { isJsonArray, isJsonObject, type JsonValue } from "../json.ts";
import type { Cursor } from "./cursor.ts";

/** A key as read, with its place. */
export interface Key {
  readonly name: string;
  readonly isMerge: boolean;
  readonly start: number;
  readonly end: number;
}

type Entries = { [key: string]: JsonValue };

/** A mapping under construction. */
export class Mapping {
  readonly entries: Entries = {};
  readonly #cursor: Cursor;
  /** Keys that came through `<<`: a key written out overrides them. */
  #merged: Set<string> | null = null;

  constructor(cursor: Cursor) {
    this.#cursor = cursor;
  }

  /** Adds an entry whose value was read last. */
  add(key: Key, value: JsonValue): void {
    if (key.isMerge) this.#merge(key, value);
    else this.#set(key, key.name, value);
  }

  #set(key: Key, name: string, value: JsonValue): void {
    const cursor = this.#cursor;
    const { entries } = this;
    if (name === "__proto__") cursor.fail("YAML_KEY", "`__proto__` is not accepted as a key", key.start, key.end - key.start);
    if (entries[name] !== undefined && Object.hasOwn(entries, name) && this.#merged?.delete(name) !== true) {
      const hint = key.isMerge ? "write the merge key `<<` before the keys that override it" : "remove one of the two";
      cursor.fail("YAML_DUPLICATE_KEY", `duplicate key \`${name}\``, key.start, key.end - key.start, hint);
    }
    entries[name] = value;
    cursor.recordChild(entries, name, key.start, key.end);
  }

  /** In a list of mappings the earlier ones win, as the merge key type says. */
  #merge(key: Key, value: JsonValue): void {
    const sources: readonly JsonValue[] = isJsonArray(value) ? [...value].reverse() : [value];
    this.#merged ??= new Set();
    const added = new Set<string>();
    for (const source of sources) {
      if (!isJsonObject(source))
        this.#cursor.fail("YAML_VALUE", "expected a mapping or a list of mappings as the value of `<<`", key.start, key.end - key.start);
      for (const [name, child] of Object.entries(source)) {
        this.#set(key, name, child);
        this.#merged.add(name);
        added.add(name);
      }
    }
  }
}
