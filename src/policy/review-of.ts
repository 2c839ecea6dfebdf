/** Reviews from what there is to judge: an AdmissionReview as the API server sends it, or an object as if it were requested. */
import { isJsonObject, type JsonObject, type JsonValue } from "../lib/json.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { splitApiVersion } from "./equivalent-resource.ts";
import { describeGot, invalid, RequestReader, type ReviewError } from "./request-reader.ts";
import type { GroupVersionKind, GroupVersionResource, Operation, Review, UserInfo } from "./review.ts";

const OPERATIONS: ReadonlySet<string> = new Set<Operation>(["CREATE", "UPDATE", "DELETE", "CONNECT"]);

/**
 * The review that an `admission.k8s.io/v1` AdmissionReview asks for. UNTRUSTED: every field that is read is checked; fields that
 * are not read stay visible to policies in `request`. Errors: `REVIEW_VERSION` for another version or kind, `REVIEW_NO_REQUEST`, `REVIEW_INVALID`.
 */
export function reviewOfAdmissionRequest(json: JsonValue): Result<Review, ReviewError> {
  if (!isJsonObject(json)) return err(invalid("AdmissionReview", "an object", json));
  const { apiVersion, kind, request } = json;
  if (apiVersion !== "admission.k8s.io/v1" || kind !== "AdmissionReview") {
    return err({
      code: "REVIEW_VERSION",
      message: `expected an AdmissionReview of \`admission.k8s.io/v1\`, got \`${describeGot(kind)}\` of \`${describeGot(apiVersion)}\``,
      hint: "list only `v1` in the webhook's admissionReviewVersions",
    });
  }
  if (request === undefined || request === null) {
    return err({
      code: "REVIEW_NO_REQUEST",
      message: "the AdmissionReview has no `request`",
      hint: "a response was sent where a request is expected",
    });
  }
  if (!isJsonObject(request)) return err(invalid("request", "an object", request));
  return reviewOfRequest(request);
}

function reviewOfRequest(request: JsonObject): Result<Review, ReviewError> {
  const reader = new RequestReader(request);
  const kind = reader.kind("kind");
  const resource = reader.resource("resource");
  const subResource = reader.string("subResource");
  const operation = reader.string("operation");
  if (!isOperation(operation)) return err(reader.problem ?? invalid("request.operation", "CREATE, UPDATE, DELETE or CONNECT", operation));
  const review: Review = {
    uid: reader.string("uid"),
    operation,
    kind,
    resource,
    subResource,
    requestKind: reader.has("requestKind") ? reader.kind("requestKind") : kind,
    requestResource: reader.has("requestResource") ? reader.resource("requestResource") : resource,
    requestSubResource: reader.has("requestSubResource") ? reader.string("requestSubResource") : subResource,
    name: reader.string("name"),
    namespace: reader.string("namespace"),
    userInfo: reader.user("userInfo"),
    object: reader.object("object"),
    oldObject: reader.object("oldObject"),
    options: reader.object("options"),
    dryRun: reader.boolean("dryRun"),
    request,
  };
  if (reader.problem !== undefined) return err(reader.problem);
  return review.uid === "" ? err(invalid("request.uid", "a text that is not empty", "")) : ok(review);
}

const isOperation = (text: string): text is Operation => OPERATIONS.has(text);

// ---------------------------------------------------------------- objects

/** What is known of a kind of object. */
export interface ResourceType {
  readonly plural: string;
  readonly namespaced: boolean;
}

export interface ObjectReviewOptions {
  /** What is known of the object's kind; undefined for kinds that are not known. */
  readonly resourceTypeOf: (kind: GroupVersionKind) => ResourceType | undefined;
  /** Default `CREATE`. UPDATE judges the object against itself unless `oldObject` says otherwise, DELETE judges it as the old object. */
  readonly operation?: Operation;
  readonly oldObject?: JsonObject;
  /** Default `vigil:check`, a member of `system:authenticated`. Empty fields are not visible to policies. */
  readonly userInfo?: UserInfo;
  /** `scale`, `status`, …; default none. */
  readonly subResource?: string;
  /** The kind and resource of the request when they are not the object's own (subresources). */
  readonly kind?: GroupVersionKind;
  /** Namespace of a namespaced object that names none. Default `default`. */
  readonly defaultNamespace?: string;
}

const DEFAULT_USER: UserInfo = { username: "vigil:check", groups: ["system:authenticated"] };

/** A review of an object as if it were requested. Errors: `REVIEW_INVALID` when the object has no apiVersion or kind. */
export function reviewOfObject(object: JsonObject, options: ObjectReviewOptions): Result<Review, ReviewError> {
  const { apiVersion, kind: kindName } = object;
  if (typeof apiVersion !== "string" || apiVersion === "") return err(invalid("apiVersion", "a text that is not empty", apiVersion));
  if (typeof kindName !== "string" || kindName === "") return err(invalid("kind", "a text that is not empty", kindName));
  const kind = options.kind ?? { ...splitApiVersion(apiVersion), kind: kindName };
  const type = options.resourceTypeOf(kind) ?? { plural: guessPlural(kind.kind), namespaced: true };
  const metadata = isJsonObject(object["metadata"]) ? object["metadata"] : {};
  const name = typeof metadata["name"] === "string" ? metadata["name"] : "";
  const ownNamespace = typeof metadata["namespace"] === "string" ? metadata["namespace"] : "";
  const namespace = type.namespaced ? ownNamespace || (options.defaultNamespace ?? "default") : "";
  const placed = namespace === ownNamespace || namespace === "" ? object : { ...object, metadata: { ...metadata, namespace } };
  const operation = options.operation ?? "CREATE";
  const subject = subjectOf(operation, placed, options.oldObject);
  const resource: GroupVersionResource = { group: kind.group, version: kind.version, resource: type.plural };
  const isNamespace = resource.group === "" && resource.resource === "namespaces";
  const fields = {
    uid: "",
    operation,
    kind,
    resource,
    subResource: options.subResource ?? "",
    requestKind: kind,
    requestResource: resource,
    requestSubResource: options.subResource ?? "",
    name,
    // The API server names a Namespace as its own namespace.
    namespace: isNamespace ? name : namespace,
    userInfo: options.userInfo ?? DEFAULT_USER,
    ...subject,
    options: null,
    dryRun: false,
  };
  return ok({ ...fields, request: requestOf(fields) });
}

const NO_KIND: GroupVersionKind = { group: "", version: "", kind: "" };
const NO_RESOURCE: GroupVersionResource = { group: "", version: "", resource: "" };

/** A review of a JSON document of any kind, which nobody requested. */
export const reviewOfDocument = (document: JsonObject): Review => ({
  uid: "",
  operation: "CREATE",
  kind: NO_KIND,
  resource: NO_RESOURCE,
  subResource: "",
  requestKind: NO_KIND,
  requestResource: NO_RESOURCE,
  requestSubResource: "",
  name: "",
  namespace: "",
  userInfo: { username: "" },
  object: document,
  oldObject: null,
  options: null,
  dryRun: false,
  request: {},
});

function subjectOf(operation: Operation, object: JsonObject, oldObject: JsonObject | undefined): Pick<Review, "object" | "oldObject"> {
  if (operation === "DELETE") return { object: null, oldObject: object };
  return { object, oldObject: operation === "UPDATE" ? (oldObject ?? object) : null };
}

/** The request as the API server would have written it: empty texts are left out. */
function requestOf(fields: Omit<Review, "request">): JsonObject {
  const { username, uid, groups, extra } = fields.userInfo;
  const userInfo = withoutEmpty({ username, uid: uid ?? "", groups: groups ?? [], extra: extra ?? {} });
  const { subResource, requestSubResource, name, namespace, ...rest } = fields;
  const request = { ...rest, ...withoutEmpty({ subResource, requestSubResource, name, namespace }), userInfo };
  return {
    ...request,
    kind: { ...fields.kind },
    resource: { ...fields.resource },
    requestKind: { ...fields.requestKind },
    requestResource: { ...fields.requestResource },
  };
}

function withoutEmpty(object: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(object).filter(
      ([, value]) => value !== "" && !(typeof value === "object" && value !== null && Object.keys(value).length === 0),
    ),
  );
}

/** The plural that a kind has unless its definition says otherwise: Kubernetes' own guess (`meta.UnsafeGuessKindToResource`). */
export function guessPlural(kind: string): string {
  const singular = kind.toLowerCase();
  if (singular.endsWith("endpoints")) return singular;
  if (singular.endsWith("s")) return `${singular}es`;
  return singular.endsWith("y") ? `${singular.slice(0, -1)}ies` : `${singular}s`;
}
