import { expect, test } from "vitest";
import { evaluatorOf } from "../../../../test/evaluate-expression.ts";
import { err, ok } from "../../../lib/result.ts";
import { CelError, type CelValue } from "../../value.ts";
import { GENERATOR_CONTEXT, generatorContext, generatorLibrary } from "./generator.ts";
import { GLOBAL_CONTEXT, globalContext, globalContextLibrary } from "./global-context.ts";
import { HTTP_CONTEXT, type HttpRequest, httpContext, httpLibrary } from "./http.ts";
import { IMAGE_DATA_CONTEXT, imageDataContext, imageDataLibrary } from "./image-data.ts";
import { type Lookup, lookedUp } from "./lookup.ts";
import { RESOURCE_CONTEXT, type ResourceSource, resourceContext, resourceLibrary } from "./resource.ts";

/** Tells what it was asked for. */
const echo = (...parts: readonly CelValue[]): Lookup => ok(parts);

const resources: ResourceSource = {
  get: ({ apiVersion, resource }, namespace, name) => echo("get", apiVersion, resource, namespace, name),
  list: ({ apiVersion, resource }, namespace, labels) => echo("list", apiVersion, resource, namespace, labels),
  post: ({ apiVersion, resource }, namespace, object) => echo("post", apiVersion, resource, namespace, object),
  resourceOf: (apiVersion, kind) => (apiVersion === "apps/v1" && kind === "Deployment" ? "deployments" : undefined),
};

const contexts = (namespace?: string): ReturnType<typeof evaluatorOf> =>
  evaluatorOf(
    {
      libraries: [resourceLibrary(namespace), globalContextLibrary, httpLibrary, imageDataLibrary, generatorLibrary(namespace)],
      variables: {
        resource: RESOURCE_CONTEXT,
        globalContext: GLOBAL_CONTEXT,
        http: HTTP_CONTEXT,
        image: IMAGE_DATA_CONTEXT,
        generator: GENERATOR_CONTEXT,
      },
    },
    {
      resource: resourceContext(resources),
      globalContext: globalContext({
        get: (name, projection) => (name === "away" ? err({ reason: "not fetched", ageMs: 1500 }) : echo(name, projection)),
      }),
      http: httpContext({ request: (request: HttpRequest) => ok({ ...request }) }),
      image: imageDataContext({ get: (image) => echo(image) }),
      generator: generatorContext({ apply: (namespace, objects) => namespace === "a" && objects.length === 1 }),
    },
  );

const evaluate = contexts();

test.each([
  ["resource.get('v1', 'pods', 'a', 'b')", ["get", "v1", "pods", "a", "b"]],
  ["resource.Get('v1', 'namespaces', '', 'b')", ["get", "v1", "namespaces", "", "b"]],
  ["resource.Get(resource.toGVR('apps/v1', 'Deployment'), 'a', 'b')", ["get", "apps/v1", "deployments", "a", "b"]],
  ["resource.ToGVR('apps/v1', 'Thing')", "CEL_INVALID_ARGUMENT"],
  ["resource.list('v1', 'pods', 'a')", ["list", "v1", "pods", "a", {}]],
  ["resource.List('v1', 'pods', 'a', {'app': 'x'})", ["list", "v1", "pods", "a", { app: "x" }]],
  ["resource.list(resource.toGVR('apps/v1', 'Deployment'), 'a', {'app': 'x'})", ["list", "apps/v1", "deployments", "a", { app: "x" }]],
  ["resource.list(resource.toGVR('apps/v1', 'Deployment'), 'a')", ["list", "apps/v1", "deployments", "a", {}]],
  ["resource.post('v1', 'pods', 'a', {'x': 1})", ["post", "v1", "pods", "a", { x: 1 }]],
  [
    "resource.Post('authorization.k8s.io/v1', 'subjectaccessreviews', {'x': 1})",
    ["post", "authorization.k8s.io/v1", "subjectaccessreviews", "", { x: 1 }],
  ],
  ["resource.get('v1', 'pods', 'a')", "CEL_NO_MATCHING_OVERLOAD"],
  ["globalContext.get('a')", ["a", null]],
  ["globalContext.Get('a', 'p')", ["a", "p"]],
  ["globalContext.get('away')", "CEL_UNAVAILABLE"],
  ["http.get('https://a')", { method: "GET", url: "https://a", headers: {}, body: null, caBundle: null }],
  ["http.Get('https://a', {'x': 'y'})", { method: "GET", url: "https://a", headers: { x: "y" }, body: null, caBundle: null }],
  ["http.post('https://a', [1])", { method: "POST", url: "https://a", headers: {}, body: [1], caBundle: null }],
  [
    "http.Client('PEM').post('https://a', {'k': 1}, {'x': 'y'})",
    { method: "POST", url: "https://a", headers: { x: "y" }, body: { k: 1 }, caBundle: "PEM" },
  ],
  ["image.GetMetadata('nginx')", ["nginx"]],
  ["image.getMetadata('nginx')", ["nginx"]],
  ["generator.apply('a', [{'kind': dyn('Pod')}]) && !generator.Apply('b', [])", true],
])("%s is %j", (text, expected) => expect(evaluate(text).result).toEqual(expected));

test.each([
  ["resource.get('v1', 'pods', 'b')", ["get", "v1", "pods", "mine", "b"]],
  ["resource.get(resource.toGVR('apps/v1', 'Deployment'), 'b')", ["get", "apps/v1", "deployments", "mine", "b"]],
  ["resource.list('v1', 'pods')", ["list", "v1", "pods", "mine", {}]],
  ["resource.list('v1', 'pods', {'app': 'x'})", ["list", "v1", "pods", "mine", { app: "x" }]],
  ["resource.list(resource.toGVR('apps/v1', 'Deployment'))", ["list", "apps/v1", "deployments", "mine", {}]],
  ["resource.list(resource.toGVR('apps/v1', 'Deployment'), {'app': 'x'})", ["list", "apps/v1", "deployments", "mine", { app: "x" }]],
  ["resource.post('v1', 'pods', {'x': 1})", ["post", "v1", "pods", "mine", { x: 1 }]],
  ["resource.get('v1', 'pods', 'other', 'b')", "CEL_NO_MATCHING_OVERLOAD"],
  ["generator.apply([{'kind': dyn('Pod')}])", false],
  ["generator.apply('a', [{'kind': dyn('Pod')}])", "CEL_NO_MATCHING_OVERLOAD"],
])("in a namespace, %s is %j", (text, expected) => expect(contexts("mine")(text).result).toEqual(expected));

test("the message about a URL keeps its user and query to itself", () => {
  const overload = httpLibrary.functions.find(({ name }) => name === "get")?.overloads[0];
  const source = httpContext({ request: () => err({ reason: "never fetched", ageMs: null }) });
  const failed = overload?.call(source, "https://user:pass@a.b/path?token=secret#x");
  expect(failed).toMatchObject({ message: "the answer to GET of `https://a.b/path` is not available: never fetched" });
});

test("what is missing is named, with the reason and its age", () => {
  const missing = lookedUp(err({ reason: "not fetched yet", ageMs: 1500 }), "`v1 pods/a/b`");
  expect(missing).toBeInstanceOf(CelError);
  expect(missing).toMatchObject({
    code: "CEL_UNAVAILABLE",
    message: "`v1 pods/a/b` is not available: not fetched yet, last known 1.5 s ago",
  });
  expect(lookedUp(err({ reason: "never fetched", ageMs: null }), "x")).toMatchObject({ message: "x is not available: never fetched" });
});
