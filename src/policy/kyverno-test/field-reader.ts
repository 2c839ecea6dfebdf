import type { Diagnostic } from "../../lib/diagnostic.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../../lib/json.ts";
import { type Document, diagnose, type Path } from "../../resource/document.ts";

/**
 * Reads the fields of one object of a document as Kyverno's command line does: names are compared without regard to case. What
 * has the wrong type is a diagnostic with its place; what nobody reads is a warning (`finish`).
 */
export class FieldReader {
  readonly #document: Document;
  readonly #path: Path;
  readonly #diagnostics: Diagnostic[];
  readonly #read = new Set<string>();
  readonly #fields = new Map<string, { readonly key: string; readonly value: JsonValue }>();

  constructor(document: Document, path: Path, value: JsonValue, diagnostics: Diagnostic[]) {
    this.#document = document;
    this.#path = path;
    this.#diagnostics = diagnostics;
    if (isJsonObject(value)) for (const [key, member] of Object.entries(value)) this.#fields.set(key.toLowerCase(), { key, value: member });
    else this.#complain("expected an object", path);
  }

  /** A text, empty when it is absent. */
  text(name: string): string {
    const value = this.json(name) ?? "";
    if (typeof value === "string") return value;
    this.#complain(`\`${name}\`: expected a text`, [...this.#path, name]);
    return "";
  }

  boolean(name: string): boolean {
    const value = this.json(name) ?? false;
    if (typeof value === "boolean") return value;
    this.#complain(`\`${name}\`: expected true or false`, [...this.#path, name]);
    return false;
  }

  number(name: string): number {
    const value = this.json(name) ?? 0;
    if (typeof value === "number") return value;
    this.#complain(`\`${name}\`: expected a number`, [...this.#path, name]);
    return 0;
  }

  texts(name: string): readonly string[] {
    return this.list(name).flatMap((item, index) => {
      if (typeof item === "string") return [item];
      this.#complain(`\`${name}\`: expected a list of texts`, [...this.#path, name, index]);
      return [];
    });
  }

  object(name: string): JsonObject {
    const value = this.json(name) ?? {};
    if (isJsonObject(value)) return value;
    this.#complain(`\`${name}\`: expected an object`, [...this.#path, name]);
    return {};
  }

  list(name: string): readonly JsonValue[] {
    const value = this.json(name) ?? [];
    if (isJsonArray(value)) return value;
    this.#complain(`\`${name}\`: expected a list`, [...this.#path, name]);
    return [];
  }

  /** Readers for the items of a list of objects. */
  readers(name: string): readonly FieldReader[] {
    const key = this.#fields.get(name.toLowerCase())?.key ?? name;
    return this.list(name).map((item, index) => new FieldReader(this.#document, [...this.#path, key, index], item, this.#diagnostics));
  }

  reader(name: string): FieldReader {
    const key = this.#fields.get(name.toLowerCase())?.key ?? name;
    return new FieldReader(this.#document, [...this.#path, key], this.object(name), this.#diagnostics);
  }

  has(name: string): boolean {
    return this.#fields.has(name.toLowerCase());
  }

  /** The value as it is; undefined when it is absent or null. */
  json(name: string): JsonValue | undefined {
    this.#read.add(name.toLowerCase());
    return this.#fields.get(name.toLowerCase())?.value ?? undefined;
  }

  /** Warns of fields that nobody read. */
  finish(): void {
    for (const [name, { key }] of this.#fields) {
      if (!this.#read.has(name)) this.#complain(`unknown field \`${key}\``, [...this.#path, key], "warning");
    }
  }

  /** Adds an error at a field. */
  complain(name: string, message: string): void {
    this.#complain(`\`${name}\`: ${message}`, [...this.#path, name]);
  }

  #complain(message: string, path: Path, severity: Diagnostic["severity"] = "error"): void {
    this.#diagnostics.push(diagnose(this.#document, path, { code: "TEST_INVALID", message, severity, atKey: severity === "warning" }));
  }
}
