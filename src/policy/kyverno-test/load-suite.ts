/** Gathers the files that a test names. */
import { posix } from "node:path";
import type { Diagnostic } from "../../lib/diagnostic.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../../lib/json.ts";
import type { Result } from "../../lib/result.ts";
import { parseCustomKinds } from "../../resource/crd.ts";
import type { Document, DocumentSet } from "../../resource/document.ts";
import { type Kinds, withCustomKinds } from "../../resource/kinds.ts";
import { type PolicyResource, type PolicyResourceErrorCode, parsePolicyResource } from "../../resource/policy-resource.ts";
import type { UserInfo } from "../review.ts";
import type { NotJudged } from "./check-results.ts";
import type { PolicyTest } from "./test-file.ts";
import {
  type ClusterResources,
  NO_VALUES,
  parseClusterResource,
  parseContext,
  parseUserInfo,
  parseValuesFile,
  type TestContext,
  type TestValues,
} from "./test-values.ts";
import { toleratedDocument } from "./tolerated-document.ts";

/** How a test reaches its files. Paths have forward slashes. */
export interface TestLoader {
  /** The documents of a file, or undefined when there is no such file. */
  readonly read: (path: string) => DocumentSet | undefined;
  /** The names in a directory, sorted; undefined when the path is not one. */
  readonly list: (path: string) => readonly string[] | undefined;
}

/** Everything that a test is about. */
export interface Suite {
  readonly test: PolicyTest;
  /** The directory of the test file. */
  readonly directory: string;
  readonly policies: readonly PolicyResource[];
  readonly notJudged: ReadonlyMap<string, NotJudged>;
  readonly subjects: readonly JsonObject[];
  readonly targets: readonly JsonObject[];
  readonly params: readonly JsonObject[];
  readonly payloads: readonly { readonly name: string; readonly document: JsonObject }[];
  readonly values: TestValues;
  readonly userInfo: UserInfo | undefined;
  readonly context: TestContext;
  readonly cluster: ClusterResources | undefined;
  /** The kinds of Kubernetes, and those that the test's definitions add. */
  readonly kinds: Kinds;
  /** Documents of `globalContextEntries[].resourceFiles`, by file as written. */
  readonly globalContextFiles: ReadonlyMap<string, readonly JsonObject[]>;
}

const NO_CONTEXT: TestContext = { resources: [], images: new Map() };

/** Loads a suite. What is missing or wrong is in `diagnostics`; an error there means that the suite did not load. */
export function loadSuite(test: PolicyTest, testFile: string, loader: TestLoader, diagnostics: Diagnostic[]): Suite {
  const directory = posix.dirname(testFile);
  const files = new SuiteFiles(testFile, directory, loader, diagnostics);
  const { policies, notJudged } = loadPolicies(test, files);
  const clusterFiles = test.clusterResources.flatMap((path) => files.parsed(path, parseClusterResource) ?? []);
  const cluster: ClusterResources | undefined =
    test.clusterResources.length === 0
      ? undefined
      : { crdFiles: clusterFiles.flatMap(({ crdFiles }) => crdFiles), resources: clusterFiles.flatMap(({ resources }) => resources) };
  return {
    test,
    directory,
    policies,
    notJudged,
    subjects: files.objects(test.resources),
    targets: files.objects(test.targetResources),
    params: files.objects(test.paramResources),
    payloads: test.jsonPayloads.flatMap((name) => {
      const [document] = files.documents(name);
      return document === undefined ? [] : [{ name, document: document.value }];
    }),
    values: test.values ?? (test.variables === "" ? undefined : files.parsed(test.variables, parseValuesFile)) ?? NO_VALUES,
    userInfo: test.userInfo === "" ? undefined : files.parsed(test.userInfo, parseUserInfo),
    context: (test.context === "" ? undefined : files.parsed(test.context, parseContext)) ?? NO_CONTEXT,
    cluster,
    kinds: withCustomKinds(
      files.documentsUnder(cluster?.crdFiles ?? []).flatMap((document) => files.parse(document, parseCustomKinds) ?? []),
    ),
    globalContextFiles: new Map(
      test.globalContext.flatMap(({ resourceFiles }) => resourceFiles ?? []).map((path) => [path, files.objects([path])]),
    ),
  };
}

function loadPolicies(test: PolicyTest, files: SuiteFiles): Pick<Suite, "policies" | "notJudged"> {
  const policies: PolicyResource[] = [];
  const notJudged = new Map<string, NotJudged>();
  for (const document of [...files.documentsUnder(test.policies), ...files.documentsUnder(test.exceptions)]) {
    const parsed = parsePolicyResource(toleratedDocument(document));
    if (parsed.kind === "policy") policies.push(parsed.resource);
    else notJudged.set(nameOf(document.value), whyNotJudged(document, parsed.kind === "refused" ? parsed.diagnostics : []));
  }
  return { policies, notJudged };
}

function nameOf(object: JsonObject): string {
  const metadata = object["metadata"];
  return isJsonObject(metadata) && typeof metadata["name"] === "string" ? metadata["name"] : "";
}

function whyNotJudged({ value }: Document, [first]: readonly Diagnostic[]): NotJudged {
  if (first === undefined) return { isSupported: false, message: `\`${String(value["kind"])}\` is not a kind of policy that is judged` };
  const message = `${first.message} (${first.file}:${first.line}:${first.column})`;
  return { isSupported: !UNSUPPORTED.has(first.code) && !isForAnotherPlane(value), message };
}

const UNSUPPORTED: ReadonlySet<string> = new Set<PolicyResourceErrorCode>(["RESOURCE_UNSUPPORTED_KIND", "RESOURCE_UNSUPPORTED_VERSION"]);

/** Policies about HTTP requests are judged where those pass, not at admission. */
function isForAnotherPlane({ spec }: JsonObject): boolean {
  const evaluation = isJsonObject(spec) ? spec["evaluation"] : undefined;
  return isJsonObject(evaluation) && (evaluation["mode"] === "HTTP" || evaluation["mode"] === "Envoy");
}

/** Reads files and reports those that are missing or wrong. */
class SuiteFiles {
  readonly #testFile: string;
  readonly #directory: string;
  readonly #loader: TestLoader;
  readonly #diagnostics: Diagnostic[];

  constructor(testFile: string, directory: string, loader: TestLoader, diagnostics: Diagnostic[]) {
    this.#testFile = testFile;
    this.#directory = directory;
    this.#loader = loader;
    this.#diagnostics = diagnostics;
  }

  documents(path: string): readonly Document[] {
    const read = this.#loader.read(posix.join(this.#directory, path));
    if (read === undefined) {
      this.#diagnostics.push({
        code: "TEST_FILE_MISSING",
        severity: "error",
        message: `no file \`${path}\``,
        file: this.#testFile,
        line: 1,
        column: 1,
        length: 1,
      });
      return [];
    }
    this.#diagnostics.push(...read.diagnostics);
    return read.documents;
  }

  /** The documents of files and of the YAML files under directories. */
  documentsUnder(paths: readonly string[]): readonly Document[] {
    return paths.flatMap((path) => {
      const names = this.#loader.list(posix.join(this.#directory, path));
      if (names === undefined) return this.documents(path);
      const visible = names.filter((name) => !name.startsWith("."));
      return this.documentsUnder(
        visible.filter((name) => /\.ya?ml$/.test(name) || !name.includes(".")).map((name) => posix.join(path, name)),
      );
    });
  }

  objects(paths: readonly string[]): readonly JsonObject[] {
    return this.documentsUnder(paths).map(({ value }) => withMaps(value));
  }

  /** The first document of a file, parsed. */
  parsed<T>(path: string, parse: (document: Document, warnings: Diagnostic[]) => Result<T, readonly Diagnostic[]>): T | undefined {
    const [document] = this.documents(path);
    return document === undefined ? undefined : this.parse(document, (first) => parse(first, this.#diagnostics));
  }

  parse<T>(document: Document, parse: (document: Document) => Result<T, readonly Diagnostic[]>): T | undefined {
    const parsed = parse(document);
    if (parsed.ok) return parsed.value;
    this.#diagnostics.push(...parsed.error);
    return undefined;
  }
}

const MAP_FIELDS: ReadonlySet<string> = new Set(["annotations", "labels", "matchLabels", "nodeSelector", "data", "stringData"]);

/** The object with `{}` for maps that are written without content (`annotations:`), as Kyverno's command line reads them. */
function withMaps(object: JsonObject): JsonObject {
  const convert = (value: JsonValue): JsonValue =>
    isJsonArray(value) ? value.map(convert) : isJsonObject(value) ? withMaps(value) : value;
  return Object.fromEntries(
    Object.entries(object).map(([key, value]) => [key, value === null && MAP_FIELDS.has(key) ? {} : convert(value)]),
  );
}
