/** HTTP rules of Cilium as conditions over `request`. */
import type { CiliumHttpRule } from "../../resource/cilium-ports.ts";

/**
 * CEL that holds for the requests that a rule lets through, and for no bare connection. Regular expressions must match the whole value; the
 * path is without its query, decoded and normalised.
 */
export function httpCondition({ method, path, host, headers }: CiliumHttpRule): string {
  const conjuncts = [
    ...(method === undefined ? [] : [fits("method", method)]),
    ...(path === undefined ? [] : [fits("path", path)]),
    ...(host === undefined ? [] : [fits("host", host)]),
    ...headers.map(({ name, value }) => {
      const isPresent = `${literal(name)} in request.headers`;
      return value === undefined ? isPresent : `${isPresent} && request.headers[${literal(name)}] == ${literal(value)}`;
    }),
  ];
  return conjuncts.length === 0 ? 'request.method != ""' : conjuncts.join(" && ");
}

/** Plain texts are compared, which layers can tabulate; patterns are matched from end to end. */
const fits = (field: "method" | "path" | "host", pattern: string): string =>
  /^[A-Za-z0-9/_-]+$/.test(pattern)
    ? `request.${field} == ${literal(pattern)}`
    : `request.${field}.matches(${literal(`^(?:${pattern})$`)})`;

/** A string literal of CEL: what JSON escapes, CEL reads back (a test holds it to that). */
const literal = (text: string): string => JSON.stringify(text);
