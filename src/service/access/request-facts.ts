/** What policies see of a request, from what a client sent: one reading, or a refusal. */
import { ok, type Result } from "../../lib/result.ts";
import type { CallRequest } from "../../policy/access/endpoint.ts";
import { CONTEXT_HEADER } from "./carried-context.ts";
import { type Refusal, refuseCall } from "./refusal.ts";
import { parseRequestTarget } from "./request-target.ts";
import type { RouteTable } from "./route-table.ts";

/** A request as it came. */
export interface RawRequest {
  readonly method: string;
  /** As in the request line, or `:path`. */
  readonly target: string;
  /** Name, value, name, value …, pseudo-headers of HTTP/2 among them or not. */
  readonly rawHeaders: readonly string[];
  /** What the router took from the path; undefined when the routes of the gate say it. */
  readonly params?: { readonly [name: string]: string } | undefined;
}

export interface FactOptions {
  /** Undefined: the application routes, and says itself what it took from the path. */
  readonly routes: RouteTable | undefined;
  readonly listQuery: ReadonlySet<string>;
}

const MAX_HEADERS = 256;
/** Lower case would be another method to some routers, and the same to others. CONNECT has no path. */
const METHOD = /^(?!CONNECT$)[A-Z][A-Z-]{0,31}$/;
const HOST = /^(?:[a-z0-9_](?:[a-z0-9._-]{0,253})|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/;

/**
 * Headers that are no facts, and that the request loses. With the first some frameworks take another method than the one that is judged;
 * the others say who calls, as a proxy or another framework would, while here it is proved by certificate, token or signed context.
 */
const NO_FACTS: ReadonlySet<string> = new Set(
  `x-http-method-override x-http-method x-method-override
   x-forwarded-client-cert x-client-cert x-ssl-cert ssl-client-cert ssl-client-dn ssl-client-verify x-spiffe-id
   x-tenant x-tenant-id x-subject x-user x-user-id x-username x-roles x-permissions remote-user x-remote-user x-forwarded-user
   x-forwarded-email x-forwarded-groups x-forwarded-preferred-username x-auth-request-user x-auth-request-email x-auth-request-groups
   x-authenticated-user x-authenticated-userid x-consumer-id x-consumer-username x-goog-authenticated-user-email
   x-goog-authenticated-user-id x-ms-client-principal x-ms-client-principal-id x-ms-client-principal-name x-amzn-oidc-identity
   x-amzn-oidc-data`.split(/\s+/),
);

/** Whether a request loses the header of this name, in lower case: those above, and the context, which counts once it was verified. */
export const isStripped = (name: string): boolean => NO_FACTS.has(name) || name === CONTEXT_HEADER;

/** Lists by definition (RFC 9110 §5.3): several are one, joined by `, `. Of every other header there is one at most. */
const LISTS: ReadonlySet<string> = new Set(
  `accept accept-charset accept-encoding accept-language access-control-request-headers baggage cache-control connection
   content-encoding content-language cookie forwarded if-match if-none-match keep-alive pragma prefer sec-websocket-extensions
   sec-websocket-protocol te trailer tracestate upgrade via warning x-forwarded-for`.split(/\s+/),
);

/** The facts that a policy is asked with. `HEAD` is a `GET` without an answer's body (RFC 9110 §9.3.2) and judged as one. UNTRUSTED. */
export function requestFacts(raw: RawRequest, { routes, listQuery }: FactOptions): Result<CallRequest, Refusal> {
  if (!METHOD.test(raw.method)) return refuseCall("method", "expected a method in upper case other than CONNECT");
  const method = raw.method === "HEAD" ? "GET" : raw.method;
  const target = parseRequestTarget(raw.target, listQuery);
  if (!target.ok) return target;
  const { path, segments, query } = target.value;
  const read = readHeaders(raw.rawHeaders);
  if (!read.ok) return read;
  const { headers, host } = read.value;
  if (routes === undefined) return ok({ method, path, host, headers, query, params: raw.params ?? {} });
  const route = routes.match(method, segments);
  return route.ok ? ok({ method, path, host, headers, query, params: route.value.params }) : route;
}

interface ReadHeaders {
  readonly headers: { readonly [name: string]: string };
  /** Lower case, without port. */
  readonly host: string;
}

function readHeaders(rawHeaders: readonly string[]): Result<ReadHeaders, Refusal> {
  if (rawHeaders.length > 2 * MAX_HEADERS) return refuseCall("header", `more than ${MAX_HEADERS} headers`);
  const headers: Record<string, string> = {};
  const pseudo = new Map<string, string>();
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? "").toLowerCase();
    const value = rawHeaders[index + 1] ?? "";
    if (name === "__proto__") return refuseCall("header", "a header `__proto__`");
    if (name.startsWith(":")) {
      if (pseudo.has(name)) return refuseCall("header", "a pseudo-header twice");
      pseudo.set(name, value);
      continue;
    }
    if (NO_FACTS.has(name)) continue;
    const known = Object.hasOwn(headers, name) ? headers[name] : undefined;
    if (known !== undefined && !LISTS.has(name)) return refuseCall("header", `the header \`${name.slice(0, 64)}\` twice`);
    headers[name] = known === undefined ? value : `${known}${name === "cookie" ? "; " : ", "}${value}`;
  }
  const host = oneHost(pseudo.get(":authority"), headers["host"]);
  return host.ok ? ok({ headers, host: host.value }) : host;
}

/** HTTP/2 says it twice (RFC 9113 §8.3.1): two names for one request would be two readings. */
function oneHost(authority: string | undefined, host: string | undefined): Result<string, Refusal> {
  const written = (authority ?? host ?? "").toLowerCase();
  if (authority !== undefined && host !== undefined && host.toLowerCase() !== written)
    return refuseCall("host", "`:authority` and `host` differ");
  if (written === "") return ok("");
  if (!HOST.test(written)) return refuseCall("host", "expected a name or an address, with a port or without");
  return ok(written.replace(/:\d+$/, "").replace(/\.$/, ""));
}
