import { describe, expect, test } from "vitest";
import { formatType } from "../cel/type.ts";
import { isCustomResourceDefinition, parseCustomKinds } from "./crd.ts";
import { type Document, readDocuments } from "./document.ts";
import { findKinds, withCustomKinds } from "./kinds.ts";

const CRD = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crontabs.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.replicas}}
    schema:
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          spec:
            description: What is wished. And more.
            type: object
            properties:
              cron-spec: {type: string, enum: [daily, weekly]}
              replicas: {type: integer, format: int32, default: 1}
              port: {x-kubernetes-int-or-string: true, anyOf: [{type: integer}, {type: string}]}
              ports:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [port]
                items: {type: object, properties: {port: {type: integer}}}
              free: {type: object, x-kubernetes-preserve-unknown-fields: true}
              labels: {type: object, additionalProperties: {type: string}}
              template: {type: object, x-kubernetes-embedded-resource: true}
  - {name: v0, served: false, storage: false}
`;

function documentOf(text: string): Document {
  const [document] = readDocuments(text, "crd.yaml").documents;
  if (document === undefined) throw new Error("no document");
  return document;
}

function kindsOf(text: string): NonNullable<Extract<ReturnType<typeof parseCustomKinds>, { ok: true }>["value"]> {
  const parsed = parseCustomKinds(documentOf(text));
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return parsed.value;
}

describe("a CustomResourceDefinition", () => {
  test("defines a kind for each version that is served", () => {
    expect(kindsOf(CRD).map(({ group, version, kind, type }) => ({ group, version, kind, ...type }))).toEqual([
      {
        group: "example.com",
        version: "v1",
        kind: "CronTab",
        plural: "crontabs",
        namespaced: true,
        typeName: "example.com/v1 CronTab",
        subresources: new Map([
          ["status", "CronTab"],
          ["scale", "Scale"],
        ]),
      },
    ]);
  });

  test("keeps what merging and checking need", () => {
    const spec = kindsOf(CRD)[0]?.schema.properties?.get("spec");
    expect(spec?.description).toBe("What is wished.");
    expect(spec?.properties?.get("ports")).toMatchObject({ listType: "map", listMapKeys: ["port"] });
    expect(spec?.properties?.get("port")?.intOrString).toBe(true);
    expect(spec?.properties?.get("free")?.preserveUnknown).toBe(true);
    expect(spec?.properties?.get("template")?.embeddedResource).toBe(true);
    expect(spec?.properties?.get("replicas")).toMatchObject({ default: 1, format: "int32" });
  });

  test("joins the built-in kinds, with types for CEL", () => {
    const kinds = withCustomKinds(kindsOf(CRD));
    const fields = kinds.types.fieldsOf("example.com/v1 CronTab.spec");
    const typeOf = (name: string): string => formatType(fields?.get(name)?.type ?? { kind: "error" });
    expect(typeOf("cron__dash__spec")).toBe("string");
    expect(typeOf("port")).toBe("dyn");
    expect(typeOf("ports")).toBe("list(example.com/v1 CronTab.spec.ports[])");
    expect(typeOf("labels")).toBe("map(string, string)");
    expect(typeOf("free")).toBe("dyn");
    expect(kinds.types.fieldsOf("example.com/v1 CronTab.metadata")?.has("labels")).toBe(true);
    expect(kinds.types.findType("v1 Pod")).toBeDefined();
    expect(kinds.resourceTypeOf({ group: "example.com", version: "v1", kind: "CronTab" })?.plural).toBe("crontabs");
    expect(kinds.schemaOf({ group: "", version: "v1", kind: "Pod" })).toBeDefined();
    expect(findKinds("crontab", kinds)).toHaveLength(1);
  });

  test("is refused with the place of the mistake", () => {
    const parsed = parseCustomKinds(documentOf(CRD.replace("scope: Namespaced", "scope: Namespace")));
    expect(parsed).toMatchObject({ ok: false, error: [{ code: "RESOURCE_INVALID_VALUE", line: 6, hint: "did you mean `Namespaced`?" }] });
  });

  test("is told from other documents", () => {
    expect(isCustomResourceDefinition(documentOf(CRD))).toBe(true);
    expect(isCustomResourceDefinition(documentOf("apiVersion: v1\nkind: Pod\n"))).toBe(false);
  });
});
