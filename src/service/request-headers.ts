/** Headers that a client adds to each of its requests, such as the signed context of `ContextSigner.to`. */
import type { AllowOptions } from "./server-guard.ts";

/** Called when a request begins, in the work that makes it. What it throws is the error of the request, which is not sent. */
export type RequestHeaders = () => { readonly [name: string]: string };

export interface ClientOptions extends AllowOptions {
  /** They replace those of the same name that a request has, whatever its upper and lower case. */
  readonly headers?: RequestHeaders | undefined;
}

/** The headers of a request (pairs one after another, a list of pairs, or an object) with those in place of what they had of the name. */
export function withHeaders(given: unknown, added: { readonly [name: string]: string }): Record<string, string | string[]> {
  const names = new Set(Object.keys(added).map((name) => name.toLowerCase()));
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of pairsOf(given)) {
    if (names.has(name.toLowerCase())) continue;
    const before = headers[name];
    // The libraries take a list as the header so many times.
    headers[name] = before === undefined ? value : [before, value].flat();
  }
  return { ...headers, ...added };
}

type HeaderPair = readonly [name: string, value: string | string[]];

function pairsOf(given: unknown): readonly HeaderPair[] {
  if (typeof given !== "object" || given === null) return [];
  if (Array.isArray(given) && !Array.isArray(given[0]))
    return given.flatMap((name: unknown, index) => (index % 2 === 0 ? [[String(name), given[index + 1] as string] as const] : []));
  const entries: Iterable<HeaderPair> = Symbol.iterator in given ? (given as Iterable<HeaderPair>) : Object.entries(given);
  return [...entries].filter(([, value]) => value !== undefined);
}
