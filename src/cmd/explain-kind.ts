/** `vigil explain`: the fields of a kind, as policies see them. */
import { closestName } from "../lib/suggestion.ts";
import { type KnownKind, kubernetesKinds, kubernetesSchemas } from "../resource/kubernetes-kinds.ts";
import type { Schema } from "../resource/schema.ts";
import { vigilKinds } from "../resource/vigil-kinds.ts";
import { EXIT, type ExitCode } from "./command.ts";
import { noteError } from "./notes.ts";
import { alignColumns } from "./table.ts";
import type { Terminal } from "./terminal.ts";

export interface ExplainOptions {
  /** `Deployment`, `deployments.spec.template`, `apps/v1 Deployment.spec`. */
  readonly subject: string;
  readonly format: "text" | "json";
}

export function explainKind({ subject, format }: ExplainOptions, terminal: Terminal): ExitCode {
  const [, apiVersion, name = "", path = ""] = /^(?:(\S+) )?([^.]+)\.?(.*)$/.exec(subject) ?? [];
  const kinds = [...vigilKinds(), ...kubernetesKinds()];
  const kind = kinds.find((candidate) => isNamed(candidate, name) && (apiVersion === undefined || apiVersionOf(candidate) === apiVersion));
  if (kind === undefined) {
    const names = kinds.flatMap((known) => [known.kind, known.type.plural]);
    const meant = closestName(name, names);
    noteError(
      terminal,
      `no built-in kind \`${subject}\``,
      meant === undefined ? "such as Pod or deployments" : `did you mean \`${meant}\`?`,
    );
    return EXIT.unable;
  }
  const steps = path.split(".").filter((step) => step !== "");
  const root = vigilKinds().find(({ type }) => type.typeName === kind.type.typeName)?.schema ?? kubernetesSchemas(kind);
  const found = schemaAt(root, steps);
  if (found.schema === undefined) {
    const parent = [kind.kind, ...steps.slice(0, found.depth)].join(".");
    const meant = closestName(steps[found.depth] ?? "", found.siblings);
    const inSpec = found.depth === 0 && found.siblings.includes("spec") ? schemaAt(root, ["spec", ...steps]).schema : undefined;
    const suggestion = inSpec === undefined ? meant : [kind.kind, "spec", ...steps].join(".");
    const hint = suggestion === undefined ? `\`vigil explain ${parent}\` shows its fields` : `did you mean \`${suggestion}\`?`;
    noteError(terminal, `\`${parent}\` has no field \`${steps[found.depth]}\``, hint);
    return EXIT.unable;
  }
  const title = [kind.kind, ...steps].join(".");
  if (format === "json") terminal.printJson(jsonOf(kind, title, found.schema));
  else terminal.print(textOf(kind, title, found.schema, terminal));
  return EXIT.yes;
}

const apiVersionOf = ({ group, version }: KnownKind): string => (group === "" ? version : `${group}/${version}`);

function isNamed({ kind, type }: KnownKind, name: string): boolean {
  const wanted = name.toLowerCase();
  return kind.toLowerCase() === wanted || type.plural === wanted;
}

interface Found {
  /** undefined when the step at `depth` does not exist. */
  readonly schema: Schema | undefined;
  readonly depth: number;
  readonly siblings: readonly string[];
}

/** Follows field names; lists and maps are passed through, as in `kubectl explain`. */
function schemaAt(root: Schema | undefined, steps: readonly string[]): Found {
  let schema = root;
  for (const [depth, step] of steps.entries()) {
    const { properties } = elementOf(schema) ?? {};
    schema = properties?.get(step);
    if (schema === undefined) return { schema, depth, siblings: [...(properties?.keys() ?? [])] };
  }
  return { schema, depth: steps.length, siblings: [] };
}

const elementOf = (schema: Schema | undefined): Schema | undefined => {
  const inner = schema?.items ?? (schema?.properties === undefined ? schema?.additionalProperties : undefined);
  return inner === undefined ? schema : elementOf(inner);
};

/** The type as people say it: `[]string`, `map[string]Quantity`. */
function typeText(schema: Schema): string {
  if (schema.items !== undefined) return `[]${typeText(schema.items)}`;
  if (schema.properties === undefined && schema.additionalProperties !== undefined)
    return `map[string]${typeText(schema.additionalProperties)}`;
  if (schema.intOrString) return "int or string";
  return schema.type === "object" ? (schema.name?.split(".").at(-1) ?? "object") : (schema.format ?? schema.type);
}

function fieldsOf(schema: Schema): readonly (readonly [name: string, Schema])[] {
  return [...(elementOf(schema)?.properties ?? [])];
}

function textOf(kind: KnownKind, title: string, schema: Schema, terminal: Terminal): string {
  const required = new Set(elementOf(schema)?.required ?? []);
  const rows = fieldsOf(schema).map(([name, field]) => [
    `  ${name}${required.has(name) ? "*" : ""}`,
    terminal.style("cyan", typeText(field)),
    terminal.style("dim", field.description ?? ""),
  ]);
  const values = schema.enum === undefined ? [] : [`  one of ${schema.enum.map((value) => JSON.stringify(value)).join(", ")}`];
  return [
    `${terminal.style("bold", title)}  ${typeText(schema)}  ${terminal.style("dim", apiVersionOf(kind))}`,
    ...(schema.description === undefined ? [] : [schema.description]),
    ...values,
    ...(rows.length === 0 ? [] : ["", ...alignColumns(rows, terminal.width)]),
  ].join("\n");
}

function jsonOf(kind: KnownKind, title: string, schema: Schema): unknown {
  const required = new Set(elementOf(schema)?.required ?? []);
  return {
    path: title,
    apiVersion: apiVersionOf(kind),
    type: typeText(schema),
    description: schema.description ?? "",
    ...(schema.enum !== undefined && { enum: schema.enum }),
    fields: fieldsOf(schema).map(([name, field]) => ({
      name,
      type: typeText(field),
      required: required.has(name),
      description: field.description ?? "",
    })),
  };
}
