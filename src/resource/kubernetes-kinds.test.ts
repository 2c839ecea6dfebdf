import { describe, expect, test } from "vitest";
import { formatType } from "../cel/type.ts";
import { BUILT_IN_KINDS, findKinds } from "./kinds.ts";
import { kubernetesKinds, kubernetesSchemas, kubernetesTypes, resourceTypeOf } from "./kubernetes-kinds.ts";
import type { Schema } from "./schema.ts";
import { objectTypes } from "./schema-type-provider.ts";

const POD = { group: "", version: "v1", kind: "Pod" };
const DEPLOYMENT = { group: "apps", version: "v1", kind: "Deployment" };

function at(schema: Schema | undefined, ...path: readonly string[]): Schema | undefined {
  return path.reduce<Schema | undefined>(
    (node, step) => (step === "[]" ? node?.items : step === "*" ? node?.additionalProperties : node?.properties?.get(step)),
    schema,
  );
}

describe("resources", () => {
  test.each([
    [POD, "pods", true, "v1 Pod"],
    [DEPLOYMENT, "deployments", true, "apps/v1 Deployment"],
    [{ group: "", version: "v1", kind: "Namespace" }, "namespaces", false, "v1 Namespace"],
    [{ group: "", version: "v1", kind: "Endpoints" }, "endpoints", true, "v1 Endpoints"],
    [{ group: "networking.k8s.io", version: "v1", kind: "Ingress" }, "ingresses", true, "networking.k8s.io/v1 Ingress"],
    [
      { group: "rbac.authorization.k8s.io", version: "v1", kind: "ClusterRole" },
      "clusterroles",
      false,
      "rbac.authorization.k8s.io/v1 ClusterRole",
    ],
    [{ group: "authentication.k8s.io", version: "v1", kind: "TokenReview" }, "tokenreviews", false, "authentication.k8s.io/v1 TokenReview"],
    [{ group: "batch", version: "v1beta1", kind: "CronJob" }, "cronjobs", true, "batch/v1 CronJob"],
  ])("%j is served as %s", (kind, plural, namespaced, typeName) => {
    expect(resourceTypeOf(kind)).toMatchObject({ plural, namespaced, typeName });
  });

  test("subresources have their kinds", () => {
    const { subresources } = resourceTypeOf(POD) ?? { subresources: new Map() };
    expect(subresources.get("exec")).toBe("PodExecOptions");
    expect(subresources.get("status")).toBe("Pod");
    expect(resourceTypeOf(DEPLOYMENT)?.subresources.get("scale")).toBe("Scale");
  });

  test("an unknown kind is unknown", () => {
    expect(resourceTypeOf({ group: "example.com", version: "v1", kind: "Thing" })).toBeUndefined();
    expect(kubernetesSchemas({ ...DEPLOYMENT, version: "v1beta1" })).toBeUndefined();
  });

  test("kinds are found by the names that people use", () => {
    const names = (name: string): readonly string[] => findKinds(name).map(({ type }) => type.typeName);
    expect(names("deployments")).toEqual(["apps/v1 Deployment"]);
    expect(names("deployment.apps")).toEqual(["apps/v1 Deployment"]);
    expect(names("Event")).toEqual(["v1 Event", "events.k8s.io/v1 Event"]);
    expect(names("event.events.k8s.io")).toEqual(["events.k8s.io/v1 Event"]);
    expect(names("nothing")).toEqual([]);
  });
});

describe("schemas", () => {
  const spec = at(kubernetesSchemas(DEPLOYMENT), "spec", "template", "spec");

  test("what merging lists needs is kept", () => {
    expect(at(spec, "containers")).toMatchObject({ type: "array", listType: "map", listMapKeys: ["name"] });
    expect(at(spec, "containers", "[]", "ports")).toMatchObject({ listMapKeys: ["containerPort", "protocol"] });
    expect(at(spec, "containers", "[]", "ports", "[]", "protocol")?.default).toBe("TCP");
    expect(at(spec, "containers", "[]", "args")?.listType).toBe("atomic");
    expect(at(kubernetesSchemas(DEPLOYMENT), "spec", "selector")?.mapType).toBe("atomic");
    expect(at(kubernetesSchemas(DEPLOYMENT), "metadata", "finalizers")?.listType).toBe("set");
  });

  test("integers, int-or-string, quantities and free objects are told apart", () => {
    expect(at(kubernetesSchemas(DEPLOYMENT), "spec", "replicas")).toMatchObject({ type: "integer", format: "int32" });
    expect(at(spec, "containers", "[]", "ports", "[]", "containerPort")?.type).toBe("integer");
    expect(at(spec, "containers", "[]", "livenessProbe", "httpGet", "port")?.intOrString).toBe(true);
    expect(at(spec, "containers", "[]", "resources", "limits", "*")).toMatchObject({ type: "string", format: "quantity" });
    expect(at(kubernetesSchemas({ group: "apps", version: "v1", kind: "ControllerRevision" }), "data")?.preserveUnknown).toBe(true);
  });

  test("a field has its own description, a definition its own", () => {
    expect(at(spec, "securityContext")?.description).toContain("pod-level");
    expect(at(spec, "securityContext")?.name).toBe("io.k8s.api.core.v1.PodSecurityContext");
  });

  test("a schema that contains itself ends where the value does", () => {
    const crd = kubernetesSchemas({ group: "apiextensions.k8s.io", version: "v1", kind: "CustomResourceDefinition" });
    const props = at(crd, "spec", "versions", "[]", "schema", "openAPIV3Schema");
    const deep = at(props, "properties", "*", "properties", "*", "not");
    expect(deep?.properties?.get("maxLength")?.type).toBe("integer");
  });

  test("every kind has a schema with a kind and metadata", () => {
    const incomplete = kubernetesKinds().filter(
      (kind) => at(kubernetesSchemas(kind), "kind") === undefined || at(kubernetesSchemas(kind), "metadata") === undefined,
    );
    expect(incomplete).toEqual([]);
    expect(kubernetesKinds().length).toBeGreaterThan(80);
  });
});

describe("declared types", () => {
  const typeOf = (owner: string, field: string): string | undefined => {
    const type = kubernetesTypes.fieldsOf(owner)?.get(field)?.type;
    return type === undefined ? undefined : formatType(type);
  };

  test.each([
    ["apps/v1 Deployment", "spec", "apps/v1 Deployment.spec"],
    ["apps/v1 Deployment.spec", "replicas", "int"],
    ["apps/v1 Deployment.spec.template.spec", "containers", "list(apps/v1 Deployment.spec.template.spec.containers[])"],
    ["apps/v1 Deployment.spec.template.spec.containers[]", "image", "string"],
    ["apps/v1 Deployment.spec.template.spec.containers[].resources", "limits", "map(string, string)"],
    ["apps/v1 Deployment.spec.template.spec.containers[].livenessProbe.httpGet", "port", "dyn"],
    ["apps/v1 Deployment.metadata", "labels", "map(string, string)"],
    ["apps/v1 Deployment.metadata", "creationTimestamp", "string"],
    ["apps/v1 Deployment.metadata", "__namespace__", "string"],
    ["networking.k8s.io/v1 Ingress.spec.rules[]", "host", "string"],
    ["apps/v1 Deployment.spec", "replicaz", undefined],
    ["apps/v1 Deployment.nothing", "spec", undefined],
    ["apps/v2 Deployment", "spec", undefined],
  ])("%s has %s: %s", (owner, field, expected) => {
    expect(typeOf(owner, field)).toBe(expected);
  });

  test("an escaped field knows its key in the value", () => {
    expect(kubernetesTypes.fieldsOf("v1 Pod.metadata")?.get("__namespace__")).toMatchObject({ jsonName: "namespace" });
    expect(kubernetesTypes.fieldsOf("v1 Pod.metadata")?.get("name")).not.toHaveProperty("jsonName");
  });

  test("types recurse as deep as one asks", () => {
    const props = "apiextensions.k8s.io/v1 CustomResourceDefinition.spec.versions[].schema.openAPIV3Schema";
    expect(typeOf(`${props}.properties[*].properties[*]`, "items")).toBe("dyn");
    expect(typeOf(`${props}.properties[*].properties[*]`, "not")).toBe(`${props}.properties[*].properties[*].not`);
  });

  test("an apply configuration names its parts by the fields alone", () => {
    const schema = kubernetesSchemas(DEPLOYMENT);
    if (schema === undefined) throw new Error("no schema");
    const types = objectTypes(schema);
    const containers = types.fieldsOf("Object.spec.template.spec")?.get("containers")?.type;
    expect(containers && formatType(containers)).toBe("list(Object.spec.template.spec.containers)");
    expect(types.findType("Object.spec.template.spec.containers.ports")).toBeDefined();
    expect(types.findType("Object.spec.nothing")).toBeUndefined();
    expect(types.findType("Objects")).toBeUndefined();
  });

  test("the built-in kinds are one set", () => {
    expect(BUILT_IN_KINDS.types.findType("v1 Pod")).toEqual({ kind: "object", name: "v1 Pod" });
  });
});
