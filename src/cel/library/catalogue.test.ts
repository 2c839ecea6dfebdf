import { expect, test } from "vitest";
import { Declarations } from "../declarations.ts";
import { standardLibrary } from "../standard/library.ts";
import { formatType } from "../type.ts";
import { extensionLibraries, kubernetesLibraries, kyvernoLibraries, libraryOf } from "./catalogue.ts";

const kyverno = (namespace?: string): typeof extensionLibraries =>
  kyvernoLibraries({ nowMs: () => 0, random: () => 0, parseYaml: () => null, ...(namespace === undefined ? {} : { namespace }) });

const families = [
  { name: "extensions", libraries: extensionLibraries },
  { name: "Kubernetes", libraries: kubernetesLibraries },
  { name: "Kyverno", libraries: kyverno() },
  { name: "Kyverno in a namespace", libraries: kyverno("a") },
];

test.each(families)("$name: every function is described in a sentence", ({ libraries }) => {
  const functions = libraries.flatMap((library) => library.functions);
  expect(
    functions.filter(({ description }) => !/^(?:[A-Z]|-?\d)\S* .*\.$|^4 or 6\.$/s.test(description ?? "")).map(({ name }) => name),
  ).toEqual([]);
});

test.each(families)("$name: an id is one overload's, and a signature has one id", ({ libraries }) => {
  const overloads = [standardLibrary, ...libraries].flatMap((library) =>
    library.functions.flatMap((declaration) =>
      declaration.overloads.map((overload) => ({
        id: `${declaration.name} ${overload.id}`,
        signature: `${declaration.name} ${overload.isMember} ${overload.args.map(formatType).join()}`,
      })),
    ),
  );
  expect(new Set(overloads.map(({ id }) => id)).size).toBe(overloads.length);
  expect(new Set(overloads.map(({ signature }) => signature)).size).toBe(overloads.length);
});

test.each(families)("$name: a library is there once, and all go together", ({ libraries }) => {
  expect(new Set(libraries.map(({ name }) => name)).size).toBe(libraries.length);
  const declarations = new Declarations({ libraries: [standardLibrary, ...libraries] });
  expect(declarations.libraries).toHaveLength(libraries.length + 1);
});

test("the library of a function is known whether it is enabled or not", () => {
  expect(["charAt", "quantity", "resource.get", "get", "isMask", "unknown"].map(libraryOf)).toEqual([
    "strings",
    "kubernetes.quantity",
    undefined,
    expect.stringMatching(/^kyverno\./),
    "network",
    undefined,
  ]);
});

test("what Kubernetes does not enable is not in its list", () => {
  const names = new Set(kubernetesLibraries.flatMap((library) => library.functions.map(({ name }) => name)));
  expect(["math.ceil", "base64.encode", "regex.extract", "isMask", "reverse", "sha256"].filter((name) => names.has(name))).toEqual([
    "reverse",
  ]);
});
