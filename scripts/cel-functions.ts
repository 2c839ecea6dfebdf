/** Writes docs/cel-functions.md from the declarations of the language. */
import { writeFileSync } from "node:fs";
import type { FunctionDeclaration, Library, Overload } from "../src/cel/declaration.ts";
import { extensionLibraries, kubernetesLibraries, kyvernoLibraries } from "../src/cel/library/catalogue.ts";
import { macroUsage, writtenName } from "../src/cel/macro.ts";
import { standardLibrary } from "../src/cel/standard/library.ts";
import { formatType } from "../src/cel/type.ts";

export const DOCUMENT = "docs/cel-functions.md";

const INTRODUCTION = `# Functions of CEL

<!-- Written by \`node scripts/cel-functions.ts\`; a test keeps it up to date. -->

The language has the standard functions everywhere. Policies of Kubernetes have the libraries that its API server 1.36 enables, policies
of Kyverno those of Kyverno 1.18; \`vigil cel eval\` has all of them.

A signature names the types of the arguments and of the result; what stands before the dot is the receiver. \`T\`, \`K\`, \`V\` and \`A\`
stand for any type, \`dyn\` for a value whose type is known at run time only. Operators are left out.
`;

interface Family {
  readonly title: string;
  readonly introduction: string;
  readonly libraries: readonly Library[];
}

function families(): readonly Family[] {
  const kyverno = kyvernoLibraries({ nowMs: () => 0, random: () => 0, parseYaml: () => null });
  const names = new Set([...extensionLibraries, ...kubernetesLibraries].map(({ name }) => name));
  return [
    { title: "Standard", introduction: "In every expression.", libraries: [standardLibrary] },
    {
      title: "Extensions",
      introduction:
        "Those of cel-go at their newest versions. Kubernetes has optionals, comprehensions, lists, sets and version 2 of strings of them; Kyverno has all but network.",
      libraries: extensionLibraries,
    },
    {
      title: "Kubernetes",
      introduction: "In policies of Kubernetes and, but for the authorizer, of Kyverno.",
      libraries: kubernetesLibraries.filter(({ name }) => name.startsWith("kubernetes.")),
    },
    {
      title: "Kyverno",
      introduction:
        "In policies of Kyverno. `resource`, `http`, `globalContext`, `image`, `generator`, `json` and `yaml` are variables; the functions of the first five look up what was fetched before the evaluation.",
      libraries: kyverno.filter(({ name }) => !names.has(name)),
    },
  ];
}

/** The document as it should be. */
export const renderFunctions = (): string => [INTRODUCTION, ...families().map(renderFamily)].join("\n");

function renderFamily({ title, introduction, libraries }: Family): string {
  return [`## ${title}\n`, `${introduction}\n`, ...libraries.map(renderLibrary)].join("\n");
}

/** Macros that go by the name of another one, with a variable more. */
const TWO_VARIABLE_USAGE: Readonly<Record<string, string>> = {
  all2: "range.all(index, x, predicate)",
  exists2: "range.exists(index, x, predicate)",
  existsOne2: "range.existsOne(index, x, predicate)",
};

function renderLibrary({ name, functions, macros = [] }: Library): string {
  const usages = macros.flatMap((macro) => TWO_VARIABLE_USAGE[macro] ?? macroUsage(macro) ?? []);
  const rows = functions.filter(({ name: written }) => /^[a-z]/i.test(written) && writtenName(written) === written).map(renderFunction);
  const parts = [`### ${name}\n`];
  if (usages.length > 0) parts.push(`Macros: ${usages.map((usage) => `\`${usage}\``).join(", ")}.\n`);
  if (rows.length > 0) parts.push(`| function | signatures | meaning |\n|---|---|---|\n${rows.join("\n")}\n`);
  return parts.join("\n");
}

const renderFunction = (declaration: FunctionDeclaration): string =>
  `| \`${declaration.name}\` | ${declaration.overloads.map((overload) => `\`${signature(declaration.name, overload)}\``).join("<br>")} | ${declaration.description ?? ""} |`;

function signature(name: string, { args, result, isMember }: Overload): string {
  const types = args.map(formatType);
  const [receiver = "", ...others] = types;
  const call = isMember ? `${receiver}.${name}(${others.join(", ")})` : `${name}(${types.join(", ")})`;
  return `${call} → ${formatType(result)}`;
}

if (import.meta.main) writeFileSync(DOCUMENT, renderFunctions());
