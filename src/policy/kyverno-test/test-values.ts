/** What a test says of the world: Values, UserInfo, Context and ClusterResource files of Kyverno's command line. */
import type { Diagnostic } from "../../lib/diagnostic.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../../lib/json.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { Document } from "../../resource/document.ts";
import type { GroupVersionKind, Operation, UserInfo } from "../review.ts";
import { FieldReader } from "./field-reader.ts";

export interface TestValues {
  /** `globalValues["request.operation"]`. */
  readonly operation: Operation | undefined;
  /** Namespace objects by name. */
  readonly namespaces: ReadonlyMap<string, JsonObject>;
  readonly subresources: readonly SubresourceKind[];
}

/** An object of this kind stands for a request to a subresource of another kind. */
export interface SubresourceKind {
  readonly kind: GroupVersionKind;
  readonly parent: GroupVersionKind;
  readonly subResource: string;
}

export const NO_VALUES: TestValues = { operation: undefined, namespaces: new Map(), subresources: [] };

/** Reads a ValuesSpec, which is written in a file of its own or in the test. */
export function readValues(reader: FieldReader): TestValues {
  const operation = reader.object("globalValues")["request.operation"];
  const namespaces = new Map<string, JsonObject>();
  for (const selector of reader.readers("namespaceSelector")) {
    const name = selector.text("name");
    namespaces.set(name, { apiVersion: "v1", kind: "Namespace", metadata: { name, labels: selector.object("labels") } });
  }
  for (const namespace of reader.list("namespaces")) {
    const metadata = isJsonObject(namespace) ? namespace["metadata"] : undefined;
    const name = isJsonObject(metadata) ? metadata["name"] : undefined;
    if (isJsonObject(namespace) && typeof name === "string") namespaces.set(name, namespace);
  }
  const subresources = reader.readers("subresources").map(readSubresource);
  // Values for rules of ClusterPolicies; policies in CEL see none of them.
  reader.list("policies");
  reader.finish();
  const known = operation === "CREATE" || operation === "UPDATE" || operation === "DELETE";
  return { operation: known ? operation : undefined, namespaces, subresources };
}

function readSubresource(reader: FieldReader): SubresourceKind {
  const own = reader.reader("subresource");
  const name = own.text("name");
  return { kind: readKind(own), parent: readKind(reader.reader("parentResource")), subResource: name.slice(name.indexOf("/") + 1) };
}

const readKind = (reader: FieldReader): GroupVersionKind => ({
  group: reader.text("group"),
  version: reader.text("version"),
  kind: reader.text("kind"),
});

type Parsed<T> = Result<T, readonly Diagnostic[]>;

/** A `Values` file. */
export const parseValuesFile = (document: Document, warnings: Diagnostic[]): Parsed<TestValues> =>
  parseFile(document, warnings, readValues);

/** A `UserInfo` file. */
export const parseUserInfo = (document: Document, warnings: Diagnostic[]): Parsed<UserInfo> =>
  parseFile(document, warnings, (reader) => {
    const user = reader.reader("userInfo");
    const extra = Object.entries(user.object("extra")).map(([key, value]) => [key, isJsonArray(value) ? value.map(String) : []] as const);
    const read = { username: user.text("username"), uid: user.text("uid"), groups: user.texts("groups"), extra: Object.fromEntries(extra) };
    user.finish();
    reader.list("roles");
    reader.list("clusterRoles");
    reader.json("synchronize");
    reader.finish();
    return read;
  });

/** What policies may look up: a `Context` file. */
export interface TestContext {
  readonly resources: readonly JsonObject[];
  /** By reference, as written. */
  readonly images: ReadonlyMap<string, JsonObject>;
}

export const parseContext = (document: Document, warnings: Diagnostic[]): Parsed<TestContext> =>
  parseFile(document, warnings, (reader) => {
    const spec = reader.reader("spec");
    const images = objectsOf(spec.list("images")).map((image) => [String(image["image"] ?? ""), image] as const);
    const context = { resources: objectsOf(spec.list("resources")), images: new Map(images) };
    spec.finish();
    reader.finish();
    return context;
  });

/** A `ClusterResource` file: objects that exist, and files with definitions of kinds. */
export interface ClusterResources {
  readonly crdFiles: readonly string[];
  readonly resources: readonly JsonObject[];
}

export const parseClusterResource = (document: Document, warnings: Diagnostic[]): Parsed<ClusterResources> =>
  parseFile(document, warnings, (reader) => {
    const spec = reader.reader("spec");
    const read = { crdFiles: spec.texts("crds"), resources: objectsOf(spec.list("resources")) };
    spec.finish();
    reader.finish();
    return read;
  });

const objectsOf = (values: readonly JsonValue[]): readonly JsonObject[] => values.filter(isJsonObject);

function parseFile<T>(document: Document, warnings: Diagnostic[], read: (reader: FieldReader) => T): Parsed<T> {
  const problems: Diagnostic[] = [];
  const reader = new FieldReader(document, [], document.value, problems);
  for (const header of ["apiVersion", "kind", "metadata"]) reader.json(header);
  const value = read(reader);
  const errors = problems.filter(({ severity }) => severity === "error");
  warnings.push(...problems.filter(({ severity }) => severity === "warning"));
  return errors.length > 0 ? err(errors) : ok(value);
}
