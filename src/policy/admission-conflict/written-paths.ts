/** Which fields a mutation may set, as far as its text shows. */
import type { Expr } from "../../cel/ast.ts";
import { walk } from "../../cel/traversal.ts";
import type { MutateEffect } from "../compiled-policy.ts";

/** Stands for a path that is computed: it may be any. */
const ANY = "*";

/** Paths of fields as `spec.hostNetwork`; items of lists are `[]`. */
export function writtenPaths({ mutations }: MutateEffect): ReadonlySet<string> {
  const paths = new Set<string>();
  for (const { program } of mutations)
    walk(program.checked.root, (expr) => {
      if (expr.kind !== "struct") return;
      if (expr.typeName === "Object") collect(expr, "", paths);
      else if (expr.typeName === "JSONPatch") paths.add(patchPath(expr));
    });
  return paths.size === 0 ? new Set([ANY]) : paths;
}

function collect(expr: Expr, path: string, paths: Set<string>): void {
  if (expr.kind === "struct") for (const { name, value } of expr.fields) collect(value, `${path}.${name}`, paths);
  else if (expr.kind === "list") for (const { value } of expr.elements) collect(value, `${path}.[]`, paths);
  else if (expr.kind === "map")
    for (const { key, value } of expr.entries)
      collect(value, `${path}.${key.kind === "literal" && key.value.type === "string" ? key.value.value : ANY}`, paths);
  else paths.add(path);
}

function patchPath(expr: Extract<Expr, { kind: "struct" }>): string {
  const path = expr.fields.find(({ name }) => name === "path")?.value;
  if (path?.kind !== "literal" || path.value.type !== "string") return ANY;
  return path.value.value
    .split("/")
    .map((step) => (/^(?:-|\d+)$/.test(step) ? "[]" : step.replaceAll("~1", "/").replaceAll("~0", "~")))
    .join(".");
}

/** Whether one of the fields may be, or be part of, one of the others. */
export const mayOverlap = (a: ReadonlySet<string>, b: ReadonlySet<string>): boolean =>
  [...a].some((one) => [...b].some((other) => one.includes(ANY) || other.includes(ANY) || isWithin(one, other) || isWithin(other, one)));

const isWithin = (outer: string, inner: string): boolean => inner === outer || inner.startsWith(`${outer}.`);
