/**
 * The target of a request in the one reading that every router shares. What two of them could read differently (dot segments, repeated,
 * trailing and encoded slashes, needless and double encoding) is refused rather than repaired: a policy judges what will be routed.
 */
import { ok, type Result } from "../../lib/result.ts";
import { type Refusal, refuseCall } from "./refusal.ts";

export interface RequestTarget {
  /** Decoded. */
  readonly path: string;
  /** Of the path, decoded; none for `/`. */
  readonly segments: readonly string[];
  /** Decoded. Values of a name that may repeat are joined by `,`. */
  readonly query: { readonly [name: string]: string };
}

const MAX_TARGET_CHARACTERS = 8_192;
const MAX_SEGMENTS = 256;
const MAX_PARAMETERS = 256;

/** `pchar` and `/` of RFC 3986 §3.3 without `;`, at which some routers end the path. */
const PATH = /^\/[A-Za-z0-9\-._~!$&'()*+,=:@%/]*$/;
/** Unreserved characters (RFC 3986 §2.3) need no encoding: routers differ in whether `%61` is `a`. */
const NEEDLESS = /%(?:2[de]|3[0-9]|4[1-9a-f]|5[0-9af]|6[1-9a-f]|7[0-9ae])/i;
const ENCODED_SLASH = /%(?:2f|5c)/i;
const CONTROL = /\p{Cc}/u;
const STILL_ENCODED = /%[0-9a-f]{2}/i;

/**
 * Reads what a request line or `:path` holds. Names of `listQuery` may repeat in the query, and have brackets; others may not.
 * UNTRUSTED: the target.
 */
export function parseRequestTarget(target: string, listQuery: ReadonlySet<string>): Result<RequestTarget, Refusal> {
  if (target.length > MAX_TARGET_CHARACTERS) return refuseCall("target", `longer than ${MAX_TARGET_CHARACTERS} characters`);
  const mark = target.indexOf("?");
  const written = mark === -1 ? target : target.slice(0, mark);
  // Also the forms `*`, `host:port` and `http://…` (RFC 9112 §3.2), which no route has.
  if (!PATH.test(written)) return refuseCall("target", "expected a path of the characters of RFC 3986 without `;`");
  if (ENCODED_SLASH.test(written)) return refuseCall("target", "an encoded slash");
  if (NEEDLESS.test(written)) return refuseCall("target", "a character is encoded that needs no encoding");
  const path = decoded(written);
  if (path === undefined) return refuseCall("target", "the encoding is not valid");
  if (CONTROL.test(path)) return refuseCall("target", "an encoded control character");
  if (STILL_ENCODED.test(path)) return refuseCall("target", "encoded twice");
  const segments = path === "/" ? [] : path.slice(1).split("/");
  if (segments.length > MAX_SEGMENTS) return refuseCall("target", `more than ${MAX_SEGMENTS} segments`);
  if (segments.some((segment) => segment === "." || segment === "..")) return refuseCall("target", "a dot segment");
  if (segments.includes("")) return refuseCall("target", segments.at(-1) === "" ? "a slash at the end" : "a repeated slash");
  const query = parseQuery(mark === -1 ? "" : target.slice(mark + 1), listQuery);
  return query.ok ? ok({ path, segments, query: query.value }) : query;
}

function parseQuery(text: string, listQuery: ReadonlySet<string>): Result<RequestTarget["query"], Refusal> {
  if (text === "") return ok({});
  if (text.includes("#")) return refuseCall("target", "a fragment");
  const pairs = text.split("&").filter((pair) => pair !== "");
  if (pairs.length > MAX_PARAMETERS) return refuseCall("target", `more than ${MAX_PARAMETERS} parameters in the query`);
  const query: Record<string, string> = {};
  for (const pair of pairs) {
    const equals = pair.indexOf("=");
    const name = decoded((equals === -1 ? pair : pair.slice(0, equals)).replaceAll("+", " "));
    const value = decoded(equals === -1 ? "" : pair.slice(equals + 1).replaceAll("+", " "));
    if (name === undefined || value === undefined) return refuseCall("target", "the encoding of the query is not valid");
    if (name === "__proto__") return refuseCall("target", "the name `__proto__` in the query");
    const isList = listQuery.has(name);
    const isKnown = Object.hasOwn(query, name);
    if (!isList && (isKnown || /[[\]]/.test(name)))
      return refuseCall("target", "a parameter of the query that frameworks read differently");
    query[name] = isKnown ? `${query[name]},${value}` : value;
  }
  return ok(query);
}

function decoded(text: string): string | undefined {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    // Not hexadecimal, or not UTF-8.
    return undefined;
  }
}
