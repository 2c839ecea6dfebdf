import { expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../lib/json.ts";
import { guessPlural, type ObjectReviewOptions, reviewOfAdmissionRequest, reviewOfObject } from "./review-of.ts";

const request: JsonObject = {
  uid: "705ab4f5-6393-11e8-b7cc-42010a800002",
  kind: { group: "autoscaling", version: "v1", kind: "Scale" },
  resource: { group: "apps", version: "v1", resource: "deployments" },
  subResource: "scale",
  requestKind: { group: "autoscaling", version: "v1", kind: "Scale" },
  name: "web",
  namespace: "shop",
  operation: "UPDATE",
  userInfo: { username: "admin", groups: ["system:authenticated"] },
  object: { apiVersion: "autoscaling/v1", kind: "Scale" },
  oldObject: { apiVersion: "autoscaling/v1", kind: "Scale" },
  dryRun: true,
};
const reviewWith = (fields: JsonObject): JsonValue => ({
  apiVersion: "admission.k8s.io/v1",
  kind: "AdmissionReview",
  request: { ...request, ...fields },
});

test("an AdmissionReview becomes a review with the request as received", () => {
  expect(reviewOfAdmissionRequest(reviewWith({}))).toMatchObject({
    ok: true,
    value: {
      uid: request["uid"],
      subResource: "scale",
      requestResource: { resource: "deployments" },
      namespace: "shop",
      dryRun: true,
      options: null,
      request,
    },
  });
});

test.each<{ name: string; json: JsonValue; code: string; about: string }>([
  { name: "not an object", json: [], code: "REVIEW_INVALID", about: "AdmissionReview" },
  {
    name: "an older version",
    json: { apiVersion: "admission.k8s.io/v1beta1", kind: "AdmissionReview" },
    code: "REVIEW_VERSION",
    about: "v1beta1",
  },
  { name: "another kind", json: { apiVersion: "admission.k8s.io/v1", kind: "Pod" }, code: "REVIEW_VERSION", about: "Pod" },
  {
    name: "no request",
    json: { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response: {} },
    code: "REVIEW_NO_REQUEST",
    about: "request",
  },
  {
    name: "a request that is a list",
    json: { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request: [] },
    code: "REVIEW_INVALID",
    about: "request",
  },
  { name: "no uid", json: reviewWith({ uid: "" }), code: "REVIEW_INVALID", about: "request.uid" },
  { name: "an unknown operation", json: reviewWith({ operation: "PATCH" }), code: "REVIEW_INVALID", about: "request.operation" },
  { name: "no resource", json: reviewWith({ resource: null }), code: "REVIEW_INVALID", about: "request.resource" },
  { name: "a kind that is a text", json: reviewWith({ kind: "Pod" }), code: "REVIEW_INVALID", about: "request.kind" },
  { name: "a name that is a number", json: reviewWith({ name: 7 }), code: "REVIEW_INVALID", about: "request.name" },
  { name: "an object that is a list", json: reviewWith({ object: [] }), code: "REVIEW_INVALID", about: "request.object" },
  { name: "groups that are a text", json: reviewWith({ userInfo: { groups: "x" } }), code: "REVIEW_INVALID", about: "userInfo.groups" },
])("an AdmissionReview that is not one is refused: $name", ({ json, code, about }) => {
  const review = reviewOfAdmissionRequest(json);
  expect(review).toMatchObject({ ok: false, error: { code } });
  expect(review.ok ? "" : review.error.message).toContain(about);
});

const options: ObjectReviewOptions = {
  resourceTypeOf: ({ kind }) =>
    ({
      Pod: { plural: "pods", namespaced: true },
      Namespace: { plural: "namespaces", namespaced: false },
      Node: { plural: "nodes", namespaced: false },
    })[kind],
};

test("an object is judged as if it were created in the default namespace", () => {
  const review = reviewOfObject({ apiVersion: "v1", kind: "Pod", metadata: { name: "web" } }, options);
  expect(review).toMatchObject({
    ok: true,
    value: {
      operation: "CREATE",
      resource: { group: "", version: "v1", resource: "pods" },
      name: "web",
      namespace: "default",
      object: { metadata: { name: "web", namespace: "default" } },
      oldObject: null,
      request: { operation: "CREATE", name: "web", namespace: "default", object: { kind: "Pod" }, oldObject: null },
    },
  });
});

test.each<{ name: string; object: JsonObject; extra: Partial<ObjectReviewOptions>; expected: object }>([
  {
    name: "a cluster-scoped kind",
    object: { apiVersion: "v1", kind: "Node", metadata: { name: "a" } },
    extra: {},
    expected: { namespace: "" },
  },
  {
    name: "a Namespace is its own namespace",
    object: { apiVersion: "v1", kind: "Namespace", metadata: { name: "a" } },
    extra: {},
    expected: { namespace: "a" },
  },
  {
    name: "a deletion",
    object: { apiVersion: "v1", kind: "Pod" },
    extra: { operation: "DELETE" },
    expected: { object: null, oldObject: { kind: "Pod" } },
  },
  {
    name: "an update",
    object: { apiVersion: "v1", kind: "Pod" },
    extra: { operation: "UPDATE" },
    expected: { object: { kind: "Pod" }, oldObject: { kind: "Pod" } },
  },
  {
    name: "a kind that is not known",
    object: { apiVersion: "acme.io/v1", kind: "Policy", metadata: {} },
    extra: { defaultNamespace: "shop" },
    expected: { resource: { group: "acme.io", version: "v1", resource: "policies" }, namespace: "shop" },
  },
])("an object is judged as what it is: $name", ({ object, extra, expected }) => {
  expect(reviewOfObject(object, { ...options, ...extra })).toMatchObject({ ok: true, value: expected });
});

test("policies do not see fields of the user that are empty", () => {
  const review = reviewOfObject({ apiVersion: "v1", kind: "Pod" }, { ...options, userInfo: { username: "", groups: ["a"] } });
  expect(review.ok ? review.value.request["userInfo"] : undefined).toStrictEqual({ groups: ["a"] });
});

test.each([{ apiVersion: "v1" }, { kind: "Pod" }, { apiVersion: 1, kind: "Pod" }])(
  "an object without apiVersion or kind is refused",
  (object) => {
    expect(reviewOfObject(object, options)).toMatchObject({ ok: false, error: { code: "REVIEW_INVALID" } });
  },
);

test.each([
  ["Ingress", "ingresses"],
  ["NetworkPolicy", "networkpolicies"],
  ["Endpoints", "endpoints"],
  ["Widget", "widgets"],
])("the plural of %s is guessed as %s", (kind, plural) => {
  expect(guessPlural(kind)).toBe(plural);
});
