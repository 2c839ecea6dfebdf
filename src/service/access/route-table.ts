/** The routes of a service: which request belongs to which, and what it takes from the path. */
import { ok, type Result } from "../../lib/result.ts";
import { shown } from "../../spiffe/spiffe-error.ts";
import { ServiceError } from "../service-error.ts";
import { type Refusal, refuseCall } from "./refusal.ts";

type Segment =
  | { readonly kind: "literal"; readonly text: string; readonly folded: string }
  | { readonly kind: "one"; readonly name: string }
  /** One or more, at the end. */
  | { readonly kind: "rest"; readonly name: string };

interface Route {
  readonly pattern: string;
  /** Undefined: any. */
  readonly method: string | undefined;
  readonly segments: readonly Segment[];
}

export interface RouteMatch {
  readonly pattern: string;
  readonly params: { readonly [name: string]: string };
}

const MAX_ROUTES = 10_000;
const PATTERN = /^(?:(?<method>[A-Z][A-Z-]*) )?(?<path>\/[^\s?#]*)$/;
const NAMED = /^\{(?<name>[A-Za-z_][A-Za-z0-9_]*)(?<rest>\.\.\.)?\}$/;
const RANK = { literal: 0, one: 1, rest: 2 } as const;

/**
 * Patterns such as `GET /users/{id}`, `/health`, `/files/{path...}`: a method or any, literal segments, `{name}` for one segment, a final
 * `{name...}` for all that is left. The most literal one that fits counts, wherever it stands.
 */
export class RouteTable {
  readonly #routes: readonly Route[];

  /** Throws a ServiceError with `SERVICE_ROUTE` for a pattern that is none. */
  constructor(patterns: readonly string[]) {
    if (patterns.length > MAX_ROUTES) throw new RangeError(`expected at most ${MAX_ROUTES} routes, got ${patterns.length}`);
    this.#routes = patterns.map(parseRoute).sort(bySpecificity);
  }

  /** Refuses what fits no route, and what would fit another one if letters had no case, as in Express: there it is routed elsewhere. */
  match(method: string, segments: readonly string[]): Result<RouteMatch, Refusal> {
    const route = this.#find(method, segments, false);
    if (route === undefined) return refuseCall("route", "no route fits");
    const folded = segments.map((segment) => segment.toLowerCase());
    if (this.#find(method, folded, true) !== route) return refuseCall("route", "another route fits but for upper and lower case");
    const params: Record<string, string> = {};
    for (const [index, segment] of route.segments.entries()) {
      if (segment.kind === "one") params[segment.name] = segments[index] ?? "";
      if (segment.kind === "rest") params[segment.name] = segments.slice(index).join("/");
    }
    return ok({ pattern: route.pattern, params });
  }

  #find(method: string, segments: readonly string[], isFolded: boolean): Route | undefined {
    return this.#routes.find((route) => (route.method ?? method) === method && fits(route.segments, segments, isFolded));
  }
}

function fits(pattern: readonly Segment[], segments: readonly string[], isFolded: boolean): boolean {
  const hasRest = pattern.at(-1)?.kind === "rest";
  if (hasRest ? segments.length < pattern.length : segments.length !== pattern.length) return false;
  return pattern.every((part, index) => part.kind !== "literal" || (isFolded ? part.folded : part.text) === segments[index]);
}

function parseRoute(pattern: string): Route {
  const { method, path = "" } = PATTERN.exec(pattern)?.groups ?? {};
  const written = path === "/" ? [] : path.slice(1).split("/");
  const segments = written.map(parseSegment);
  const names = segments.flatMap((segment) => (segment.kind === "literal" ? [] : [segment.name]));
  const isRestInside = segments.slice(0, -1).some(({ kind }) => kind === "rest");
  const isWrong = segments.some((segment) => segment.kind === "literal" && /^$|^\.\.?$|[{}*%:]/.test(segment.text));
  if (path === "" || isWrong || isRestInside || new Set(names).size !== names.length)
    throw new ServiceError("SERVICE_ROUTE", `expected a route, got ${shown(pattern)}`, {
      hint: "such as `GET /users/{id}`, or `/files/{path...}` for all below; decoded, without a slash at the end",
    });
  // A HEAD is judged as the GET that it belongs to.
  return { pattern, method: method === "HEAD" ? "GET" : method, segments };
}

function parseSegment(text: string): Segment {
  const { name, rest } = NAMED.exec(text)?.groups ?? {};
  if (name === undefined || name === "__proto__") return { kind: "literal", text, folded: text.toLowerCase() };
  return { kind: rest === undefined ? "one" : "rest", name };
}

function bySpecificity(a: Route, b: Route): number {
  for (const [index, segment] of a.segments.entries()) {
    const other = b.segments[index];
    if (other === undefined) break;
    if (segment.kind !== other.kind) return RANK[segment.kind] - RANK[other.kind];
  }
  return b.segments.length - a.segments.length || (a.method === undefined ? 1 : 0) - (b.method === undefined ? 1 : 0);
}
