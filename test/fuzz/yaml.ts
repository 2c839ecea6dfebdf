/** Fuzzes the YAML reader and what stands on it: mutated documents, and syntax repeated until slowness would show. */
import { readFileSync } from "node:fs";
import { renderDiagnostic } from "../../src/lib/diagnostic.ts";
import { encodeJson, type JsonValue } from "../../src/lib/json.ts";
import { type Document, readDocuments, readValues } from "../../src/resource/document.ts";
import { parsePolicyResource } from "../../src/resource/policy-resource.ts";
import { threadMs } from "./target.ts";

/** Far more than a text of this size may take. */
const MAX_READ_MS = 500;
const MAX_REPEATED = 60_000;
const MAX_CHANGES = 4;

type UpTo = (limit: number) => number;

const PIECES = [
  ..."\n|  | |- |-|a|: |:|#| #|'|\"|[|]|{|}|,|&a |*a|!x |!!int |!!str|\t|>|>-\n|?|? |\\|---\n|...\n|%|<<: |0x|.5|~|é|😀|\r\n|\uFEFF".split(
    "|",
  ),
  "|",
  "|2\n",
  "a: b\n",
  "- - ",
  "\n\n",
  '"\\u0041',
  "__proto__: ",
  "apiVersion: policies.kyverno.io/v1\n",
  "{{ .x }}",
  "\u0000",
  "\ud800",
];

const POLICY = `apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata:
  name: limit
  annotations: {policies.kyverno.io/title: "Limit"}
spec:
  validationActions: [Deny]
  matchConstraints:
    resourceRules:
    - apiGroups: [apps]
      apiVersions: [v1]
      operations: [CREATE, UPDATE]
      resources: [deployments]
  variables:
  - name: limit
    expression: >-
      object.metadata.?labels['limit'].orValue("5") == ''
        ? 5 : int(object.metadata.labels['limit'])
  validations:
  - expression: |
      object.spec.replicas <= variables.limit
    message: 'too many replicas'
`;

let seeds: readonly string[] | undefined;

function readSeeds(): readonly string[] {
  const load = (name: string): readonly string[] =>
    (JSON.parse(readFileSync(new URL(`../data/yaml/${name}`, import.meta.url), "utf8")) as readonly { yaml: string }[]).map(
      ({ yaml }) => yaml,
    );
  return [...load("yaml-test-suite.json"), ...load("kubernetes-reading.json"), ...Array.from({ length: 100 }, () => POLICY)];
}

export const yamlFuzz = {
  name: "yaml",
  /** `random` gives numbers from 0 to below 1. Throws when something is wrong, with the text that did it. */
  run(random: () => number): void {
    seeds ??= readSeeds();
    const upTo: UpTo = (limit) => Math.floor(random() * limit);
    const text = upTo(20) === 0 ? repeated(upTo) : mutated(seeds[upTo(seeds.length)] ?? "", upTo);
    try {
      check(text, upTo);
    } catch (error) {
      throw new Error(`${JSON.stringify(text.slice(0, 2000))}`, { cause: error });
    }
  },
};

function mutated(seed: string, upTo: UpTo): string {
  let text = seed;
  for (let changes = 1 + upTo(MAX_CHANGES); changes > 0; changes--) {
    const at = upTo(text.length + 1);
    const other = upTo(text.length + 1);
    const piece = [PIECES[upTo(PIECES.length)] ?? "", text.slice(other, other + upTo(40)), ""][upTo(3)] ?? "";
    text = text.slice(0, at) + piece + text.slice(at + upTo(3));
  }
  return text;
}

/** A head, a pattern many times, and a tail: what is quadratic somewhere takes seconds. */
function repeated(upTo: UpTo): string {
  const pieces = (count: number): string => Array.from({ length: count }, () => PIECES[upTo(PIECES.length)]).join("");
  const pattern = pieces(1 + upTo(4)) || "a";
  return pieces(upTo(4)) + pattern.repeat(Math.ceil(MAX_REPEATED / pattern.length)) + pieces(upTo(4));
}

function check(text: string, upTo: UpTo): void {
  const startMs = threadMs();
  const { documents, diagnostics } = readDocuments(upTo(2) === 0 ? text : Buffer.from(text), "fuzz.yaml");
  if (threadMs() - startMs > MAX_READ_MS) throw new Error("too slow");
  for (const diagnostic of diagnostics) {
    if (diagnostic.line < 1 || diagnostic.column < 1 || diagnostic.length < 1) throw new Error(`no place: ${JSON.stringify(diagnostic)}`);
    renderDiagnostic(diagnostic);
  }
  for (const document of documents.slice(0, 20)) {
    parsePolicyResource(document);
    checkPlaces(document, document.value, [], { left: 200 });
    checkReadBack(document);
  }
}

/** Each scalar's place holds the scalar, when it is written plainly. */
function checkPlaces(document: Document, value: JsonValue, path: readonly (string | number)[], budget: { left: number }): void {
  if (budget.left-- <= 0) return;
  if (typeof value === "object" && value !== null) {
    for (const [key, child] of Object.entries(value)) {
      checkPlaces(document, child, [...path, Array.isArray(value) ? Number(key) : key], budget);
    }
    return;
  }
  const place = document.locate(path);
  if (place.column > place.sourceLine.length + 1) throw new Error(`place beyond its line at ${JSON.stringify(path)}`);
  if (typeof value !== "string") return;
  for (const offset of [0, value.length >> 1, value.length]) {
    const { column, sourceLine } = document.locate(path, offset);
    if (column > sourceLine.length + 1) throw new Error(`place beyond its line at ${JSON.stringify(path)}:${offset}`);
  }
}

/** A value written as JSON reads as the same value. */
function checkReadBack({ value }: Document): void {
  const json = encodeJson(value);
  const again = encodeJson(readValues(json, "again.json").documents[0]?.value ?? null);
  if (again !== json) throw new Error(`${json} reads back as ${again}`);
}
