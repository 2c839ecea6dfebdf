import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../lib/json.ts";
import { memberOf } from "./json-equals.ts";
import type { GroupVersionKind, GroupVersionResource, UserInfo } from "./review.ts";

export interface ReviewError {
  readonly code: "REVIEW_INVALID" | "REVIEW_VERSION" | "REVIEW_NO_REQUEST";
  readonly message: string;
  readonly hint?: string;
}

/** What was got instead, short enough for a message. */
export const describeGot = (value: JsonValue | undefined): string =>
  value === undefined
    ? "nothing"
    : typeof value === "string"
      ? value.slice(0, 100)
      : isJsonArray(value)
        ? "a list"
        : value === null
          ? "null"
          : `${typeof value}`;

/** The error about one field. */
export const invalid = (field: string, expected: string, got: JsonValue | undefined): ReviewError => ({
  code: "REVIEW_INVALID",
  message: `\`${field}\`: expected ${expected}, got \`${describeGot(got)}\``,
});

/** Reads fields of a request and remembers the first one that is wrong. */
export class RequestReader {
  readonly #request: JsonObject;
  problem: ReviewError | undefined;

  constructor(request: JsonObject) {
    this.#request = request;
  }

  has(key: string): boolean {
    const value = memberOf(this.#request, key);
    return value !== undefined && value !== null;
  }

  string(key: string): string {
    return this.#textOf(this.#request, key, "request");
  }

  boolean(key: string): boolean {
    const value = memberOf(this.#request, key) ?? false;
    if (typeof value === "boolean") return value;
    this.#fail(key, "a boolean", value);
    return false;
  }

  object(key: string): JsonObject | null {
    const value = memberOf(this.#request, key) ?? null;
    if (value === null || isJsonObject(value)) return value;
    this.#fail(key, "an object", value);
    return null;
  }

  kind(key: string): GroupVersionKind {
    const at = this.#required(key);
    return { ...this.#groupVersion(at, key), kind: this.#textOf(at, "kind", `request.${key}`) };
  }

  resource(key: string): GroupVersionResource {
    const at = this.#required(key);
    return { ...this.#groupVersion(at, key), resource: this.#textOf(at, "resource", `request.${key}`) };
  }

  user(key: string): UserInfo {
    const at = this.object(key) ?? {};
    const groups = memberOf(at, "groups") ?? [];
    if (!isJsonArray(groups)) this.#fail(`${key}.groups`, "a list", groups);
    return {
      username: this.#textOf(at, "username", `request.${key}`),
      uid: this.#textOf(at, "uid", `request.${key}`),
      groups: isJsonArray(groups) ? groups.filter((group) => typeof group === "string") : [],
    };
  }

  #groupVersion(at: JsonObject, key: string): { readonly group: string; readonly version: string } {
    return { group: this.#textOf(at, "group", `request.${key}`), version: this.#textOf(at, "version", `request.${key}`) };
  }

  #required(key: string): JsonObject {
    const value = this.object(key);
    if (value === null) this.#fail(key, "an object", value);
    return value ?? {};
  }

  #textOf(at: JsonObject, key: string, path: string): string {
    const value = memberOf(at, key) ?? "";
    if (typeof value === "string") return value;
    this.problem ??= invalid(`${path}.${key}`, "a text", value);
    return "";
  }

  #fail(key: string, expected: string, got: JsonValue): void {
    this.problem ??= invalid(`request.${key}`, expected, got);
  }
}
