import { describe, expect, test } from "vitest";
import { parseCustomKinds } from "./crd.ts";
import { type Document, readDocuments } from "./document.ts";
import { kubernetesSchemas } from "./kubernetes-kinds.ts";
import { checkObject } from "./object-check.ts";

const SCHEMA = kubernetesSchemas({ group: "apps", version: "v1", kind: "Deployment" }) ?? { type: "any" };

function documentOf(text: string): Document {
  const [document] = readDocuments(text, "x.yaml").documents;
  if (document === undefined) throw new Error("no document");
  return document;
}

const DEPLOYMENT = `apiVersion: apps/v1
kind: Deployment
metadata: {name: a, labels: {app: web}}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: nginx
        ports: [{containerPort: 80}]
        resources: {limits: {cpu: 1, memory: 1Gi}}
        livenessProbe: {httpGet: {port: http}}
        command: null
`;

/** Of each finding its code and the text that it points at. */
function findings(text: string): readonly string[] {
  return checkObject(documentOf(text), SCHEMA).map(({ code, severity, column, length, sourceLine = "" }) => {
    expect(severity).toBe("warning");
    return `${code.slice("RESOURCE_".length)} ${sourceLine.slice(column - 1, column - 1 + length)}`;
  });
}

describe("an object against its schema", () => {
  test("a right one has no findings: quantities may be numbers, ports names, null is absence", () => {
    expect(findings(DEPLOYMENT)).toEqual([]);
  });

  test.each([
    ["an unknown field", "replicas:", "replicaz:", ["UNKNOWN_FIELD replicaz"]],
    ["a text for a number", "replicas: 3", "replicas: '3'", ["WRONG_TYPE '3'"]],
    ["a fraction for an integer", "replicas: 3", "replicas: 1.5", ["WRONG_TYPE 1.5"]],
    ["a number for a text", "image: nginx", "image: 1", ["WRONG_TYPE 1"]],
    ["a label that is a boolean", "labels: {app: web}}\nspec", "labels: {app: yes}}\nspec", ["WRONG_TYPE yes"]],
    ["a mapping for a list", "ports: [{containerPort: 80}]", "ports: {containerPort: 80}", ["WRONG_TYPE {containerPort: 80}"]],
    ["a list for a mapping", "selector: {matchLabels: {app: web}}", "selector: [a]", ["WRONG_TYPE [a]"]],
    ["a missing field", "{containerPort: 80}", "{hostPort: 80}", ["MISSING_FIELD {hostPort: 80}"]],
    ["a list for int-or-string", "port: http", "port: [http]", ["WRONG_TYPE [http]"]],
  ])("%s", (_, from, to, expected) => {
    expect(findings(DEPLOYMENT.replace(from, to))).toEqual(expected);
  });

  test("slips get a suggestion, and findings are capped", () => {
    const [first] = checkObject(documentOf(DEPLOYMENT.replace("replicas:", "replicaz:")), SCHEMA);
    expect(first?.hint).toBe("did you mean `replicas`?");
    const many = Array.from({ length: 300 }, (_, i) => `      - {name: ${i}x, imag: a}`).join("\n");
    expect(checkObject(documentOf(DEPLOYMENT.replace("      - name: web", `${many}\n      - name: web`)), SCHEMA)).toHaveLength(100);
  });

  test("enumerations and embedded objects of custom kinds are checked", () => {
    const crd = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
spec:
  group: example.com
  scope: Cluster
  names: {plural: things, kind: Thing}
  versions:
  - name: v1
    schema:
      openAPIV3Schema:
        properties:
          size: {type: string, enum: [small, large]}
          free: {type: object, x-kubernetes-preserve-unknown-fields: true, properties: {a: {type: string}}}
          inner: {type: object, x-kubernetes-embedded-resource: true, properties: {spec: {type: object}}}
`;
    const parsed = parseCustomKinds(documentOf(crd));
    const schema = parsed.ok ? parsed.value[0]?.schema : undefined;
    if (schema === undefined) throw new Error("no schema");
    const codes = (text: string): readonly string[] =>
      checkObject(documentOf(`apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: t}\n${text}`), schema).map(({ code }) => code);
    expect(codes("size: medium\n")).toEqual(["RESOURCE_INVALID_VALUE"]);
    expect(codes("size: large\nfree: {b: 1}\ninner: {apiVersion: v1, kind: A, metadata: {}, spec: {x: 1}}\n")).toEqual([]);
    expect(codes("inner: {status: {}}\n")).toEqual(["RESOURCE_UNKNOWN_FIELD"]);
  });
});
