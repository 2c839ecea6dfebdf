/**
 * Names of fields as CEL can write them: Kubernetes escapes what is no identifier or is a reserved word
 * (apiserver pkg/cel/escaping.go).
 */
const RESERVED = new Set([
  "true",
  "false",
  "null",
  "in",
  "as",
  "break",
  "const",
  "continue",
  "else",
  "for",
  "function",
  "if",
  "import",
  "let",
  "loop",
  "package",
  "namespace",
  "return",
  "var",
  "void",
  "while",
]);

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ["__", "__underscores__"],
  [".", "__dot__"],
  ["-", "__dash__"],
  ["/", "__slash__"],
]);

/** The CEL name of a field, or undefined when CEL has none (`$ref`, names that begin with a digit or are not ASCII). */
export function celName(field: string): string | undefined {
  if (RESERVED.has(field)) return `__${field}__`;
  if (!/^[a-zA-Z_./-][a-zA-Z0-9_./-]*$/.test(field)) return undefined;
  return field.replaceAll(/__|[./-]/g, (found) => ESCAPES.get(found) ?? found);
}
