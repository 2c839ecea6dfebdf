/** Kyverno's test format: `cli.kyverno.io/v1alpha1` Test. */
import type { Diagnostic } from "../../lib/diagnostic.ts";
import type { JsonObject, JsonValue } from "../../lib/json.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { Document } from "../../resource/document.ts";
import type { Operation } from "../review.ts";
import { FieldReader } from "./field-reader.ts";
import { readValues, type TestValues } from "./test-values.ts";

/** One document of a test file. Paths are as written, relative to the file. */
export interface PolicyTest {
  readonly name: string;
  readonly policies: readonly string[];
  readonly resources: readonly string[];
  readonly jsonPayloads: readonly string[];
  readonly targetResources: readonly string[];
  readonly paramResources: readonly string[];
  readonly clusterResources: readonly string[];
  readonly exceptions: readonly string[];
  /** Empty when there is none; so `userInfo` and `context`. */
  readonly variables: string;
  readonly userInfo: string;
  readonly context: string;
  /** Values written in the test itself; they win over `variables`. */
  readonly values: TestValues | undefined;
  readonly httpResponses: readonly HttpResponse[];
  readonly globalContext: readonly GlobalContextEntry[];
  readonly results: readonly ExpectedResult[];
}

export type ResultStatus = "pass" | "fail" | "skip" | "warn" | "error";

/** What the author of the test expects of some policies and resources. */
export interface ExpectedResult {
  readonly policy: string;
  readonly rule: string;
  readonly kind: string;
  readonly result: ResultStatus;
  /** Names, or `namespace/name`. */
  readonly resources: readonly string[];
  readonly resourceSpecs: readonly ResourceSpec[];
  readonly operation: Operation | undefined;
  /** A file with the resource as it should be after mutation; empty when that is not compared. */
  readonly patchedResources: string;
  readonly failOnMissingResources: boolean;
}

export interface ResourceSpec {
  readonly apiVersion: string;
  readonly namespace: string;
  readonly name: string;
}

/** What an HTTP request of a policy gets: `method` empty means any. */
export interface HttpResponse {
  readonly url: string;
  readonly method: string;
  readonly statusCode: number;
  readonly body: JsonValue;
}

export interface GlobalContextEntry {
  readonly name: string;
  readonly data: JsonValue | undefined;
  readonly resources: readonly JsonValue[] | undefined;
  readonly resourceFiles: readonly string[] | undefined;
  /** JMESPath. */
  readonly fieldPath: string;
  readonly projections: readonly { readonly name: string; readonly path: string }[];
}

const STATUSES: ReadonlySet<string> = new Set<ResultStatus>(["pass", "fail", "skip", "warn", "error"]);

/** Whether a document of a test file is a test: Kyverno's command line does not ask for its group and version. */
export const isTestDocument = ({ value }: Document): boolean =>
  value["kind"] === "Test" || (value["kind"] === undefined && value["results"] !== undefined);

/** The test that a document holds. Unknown fields are warnings in `diagnostics`; wrong types are errors. */
export function parseTest(document: Document, diagnostics: Diagnostic[]): Result<PolicyTest, readonly Diagnostic[]> {
  const problems: Diagnostic[] = [];
  const reader = new FieldReader(document, [], document.value, problems);
  reader.text("apiVersion");
  reader.text("kind");
  const metadata: JsonObject = reader.object("metadata");
  const name = reader.text("name") || (typeof metadata["name"] === "string" ? metadata["name"] : "");
  const payload = reader.text("jsonPayload");
  const payloads = reader.texts("jsonPayloads");
  const test: PolicyTest = {
    name,
    policies: unique(reader.texts("policies")),
    resources: unique(reader.texts("resources")),
    jsonPayloads: unique((payloads.length === 0 && payload !== "" ? [payload] : payloads).map(cleanPath)),
    targetResources: reader.texts("targetResources"),
    paramResources: reader.texts("paramResources"),
    clusterResources: reader.texts("clusterResources"),
    exceptions: reader.texts("exceptions"),
    variables: reader.text("variables"),
    userInfo: reader.text("userinfo"),
    context: reader.text("context"),
    values: reader.has("values") ? readValues(reader.reader("values")) : undefined,
    httpResponses: reader.readers("apiCallResponses").map(readHttpResponse),
    globalContext: reader.readers("globalContextEntries").map(readGlobalContext),
    results: reader.readers("results").map((result) => readResult(result)),
  };
  reader.finish();
  const errors = problems.filter(({ severity }) => severity === "error");
  diagnostics.push(...problems.filter(({ severity }) => severity === "warning"));
  return errors.length > 0 ? err(errors) : ok(test);
}

const unique = (texts: readonly string[]): readonly string[] => [...new Set(texts)];

const cleanPath = (path: string): string => path.replace(/^(\.\/)+/, "").replaceAll(/\/{2,}/g, "/");

function readResult(reader: FieldReader): ExpectedResult {
  const result = reader.text("result");
  const operation = reader.text("operation");
  const expected: ExpectedResult = {
    policy: reader.text("policy"),
    rule: reader.text("rule"),
    kind: reader.text("kind"),
    result: isStatus(result) ? result : "pass",
    resources: reader.texts("resources"),
    resourceSpecs: reader.readers("resourceSpecs").map(readResourceSpec),
    operation: operation === "CREATE" || operation === "UPDATE" || operation === "DELETE" ? operation : undefined,
    patchedResources: reader.text("patchedResources"),
    failOnMissingResources: reader.boolean("failOnMissingResources"),
  };
  if (!isStatus(result)) reader.complain("result", `expected pass, fail, skip, warn or error, got \`${result}\``);
  if (operation !== "" && expected.operation === undefined)
    reader.complain("operation", `expected CREATE, UPDATE or DELETE, got \`${operation}\``);
  // Which kind the policy is of is known from the policy itself; what generation should make is not judged here.
  for (const flag of POLICY_FLAGS) reader.boolean(flag);
  for (const field of ["generatedResource", "cloneSourceResource"]) reader.text(field);
  reader.texts("generatedResources");
  reader.finish();
  return expected;
}

const POLICY_FLAGS = [
  "isValidatingAdmissionPolicy",
  "isMutatingAdmissionPolicy",
  "isValidatingPolicy",
  "isMutatingPolicy",
  "isImageValidatingPolicy",
  "isGeneratingPolicy",
  "isDeletingPolicy",
] as const;

const isStatus = (text: string): text is ResultStatus => STATUSES.has(text);

function readResourceSpec(reader: FieldReader): ResourceSpec {
  const group = reader.text("group");
  const version = reader.text("version");
  const spec = {
    apiVersion: group === "" ? version : `${group}/${version}`,
    namespace: reader.text("namespace"),
    name: reader.text("name"),
  };
  reader.text("kind");
  reader.text("subresource");
  reader.finish();
  return spec;
}

function readHttpResponse(reader: FieldReader): HttpResponse {
  const response = reader.reader("response");
  const url = (reader.text("url") || reader.text("urlPath")).trim();
  if (url === "") reader.complain("url", "either `url` or `urlPath` is required");
  const read = {
    url,
    method: reader.text("method").trim().toUpperCase(),
    statusCode: response.number("statusCode") || 200,
    body: response.json("body") ?? null,
  };
  response.finish();
  reader.text("urlPath");
  reader.finish();
  return read;
}

function readGlobalContext(reader: FieldReader): GlobalContextEntry {
  const entry: GlobalContextEntry = {
    name: reader.text("name"),
    data: reader.json("data"),
    resources: reader.has("resources") ? reader.list("resources") : undefined,
    resourceFiles: reader.has("resourceFiles") ? reader.texts("resourceFiles") : undefined,
    fieldPath: reader.text("fieldPath"),
    projections: reader.readers("projections").map((projection) => ({ name: projection.text("name"), path: projection.text("path") })),
  };
  const sources = [entry.data, entry.resources, entry.resourceFiles].filter((source) => source !== undefined);
  if (sources.length !== 1) reader.complain("name", "exactly one of `data`, `resources` and `resourceFiles` is required");
  reader.finish();
  return entry;
}
