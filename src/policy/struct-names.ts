import type { CheckedExpression } from "../cel/checked-expression.ts";
import { walk } from "../cel/traversal.ts";
import { type CelType, partsOf } from "../cel/type.ts";

/**
 * What is wrong with the names of the types that an expression makes, or undefined: the value of a field `f` of `Object.spec` must
 * be an `Object.spec.f` when it is such an object at all. Kubernetes finds this while it evaluates; so does Vigil, which only
 * looks earlier.
 */
export function structNameMismatch({ root, types, references }: CheckedExpression): string | undefined {
  let mismatch: string | undefined;
  walk(root, (expr) => {
    if (expr.kind !== "struct") return;
    const reference = references.get(expr.id);
    const outer = reference?.kind === "type" ? reference.name : expr.typeName;
    if (!isObjectName(outer)) return;
    for (const { name, value } of expr.fields) {
      const expected = `${outer}.${name}`;
      const found = objectNamesIn(types[value.id]).find((inner) => inner !== expected);
      if (found !== undefined) mismatch ??= `type mismatch: unexpected type name \`${found}\`, expected \`${expected}\``;
    }
  });
  return mismatch;
}

const isObjectName = (name: string): boolean => name === "Object" || name.startsWith("Object.");

/** Names of the object types that a type is made of, through lists, maps and optionals. */
function objectNamesIn(type: CelType | undefined): readonly string[] {
  if (type === undefined) return [];
  return type.kind === "object" ? (isObjectName(type.name) ? [type.name] : []) : partsOf(type).flatMap(objectNamesIn);
}
