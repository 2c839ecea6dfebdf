import { describe, expect, test } from "vitest";
import { createEnvironment } from "./environment.ts";
import { explain } from "./explain.ts";
import { createFrame } from "./frame.ts";
import { comprehensionsLibrary } from "./library/bindings.ts";
import { quantityLibrary } from "./library/kubernetes/quantity.ts";
import { optionalsLibrary } from "./library/optionals.ts";
import type { Program } from "./program.ts";
import { DYN } from "./type.ts";
import { CelError, type CelValue } from "./value.ts";

const environment = createEnvironment({
  libraries: [comprehensionsLibrary, optionalsLibrary, quantityLibrary],
  variables: { object: DYN, variables: DYN },
});
const object = {
  kind: "Deployment",
  spec: {
    replicas: 7,
    paused: false,
    containers: [
      { name: "a", image: "good/a", limits: { memory: "1Gi" }, ports: [80] },
      { name: "b", image: "bad/b", limits: { memory: "2Gi" }, ports: [80, 22] },
    ],
  },
  labels: { app: "x", tier: "Y" },
};

function compile(expression: string, programs: ReadonlyMap<string, Program> = new Map()): Program {
  const compiled = environment.compile(expression, { lazy: { variable: "variables", programs } });
  if (!compiled.ok) throw new Error(compiled.error[0]?.message);
  return compiled.value;
}

/** Evidence as an object from expression to value; errors by their code. */
function evidenceOf(program: Program): Readonly<Record<string, CelValue>> {
  const entries = explain(program, createFrame({ object })).map(({ expression, value }) => [
    expression,
    value instanceof CelError ? value.code : value,
  ]);
  return Object.fromEntries(entries);
}

describe("explain", () => {
  test.each<readonly [expression: string, evidence: Readonly<Record<string, CelValue>>]>([
    ["object.spec.replicas <= 5", { "object.spec.replicas": 7 }],
    ["object.kind == 'Deployment' && object.spec.replicas <= 5", { "object.spec.replicas": 7 }],
    ["object.kind == 'Pod' || object.spec.replicas <= 5", { "object.kind": "Deployment", "object.spec.replicas": 7 }],
    ["object.spec.paused", { "object.spec.paused": false }],
    ["!(object.spec.replicas > 5)", { "object.spec.replicas": 7 }],
    ["has(object.spec.template)", { "has(object.spec.template)": false }],
    ["object.spec.containers.all(c, c.image.startsWith('good/'))", { "object.spec.containers[1].image": "bad/b" }],
    ["object.spec.containers.all(c, c.ports.all(p, p > 79))", { "object.spec.containers[1].ports[1]": 22 }],
    ["object.spec.containers.all(c, has(c.tag))", { "has(object.spec.containers[0].tag)": false }],
    ["object.spec.containers.exists(c, c.name == 'z')", { "object.spec.containers[0].name": "a", "object.spec.containers[1].name": "b" }],
    ["[].exists(x, x)", {}],
    ["object.labels.all(k, object.labels[k].matches('^[a-z]+$'))", { 'object.labels["tier"]': "Y" }],
    ["object.labels.all(k, k == 'app')", { k: "tier" }],
    ["object.labels.all(k, v, v == 'x')", { 'object.labels["tier"]': "Y" }],
    ["size(object.spec.containers) < 2", { "size(object.spec.containers)": 2 }],
    [
      "object.spec.containers.all(c, quantity(c.limits.memory).compareTo(quantity('1Gi')) <= 0)",
      { "object.spec.containers[1].limits.memory": "2Gi" },
    ],
    ["object.?spec.?strategy.orValue('none') == 'Recreate'", { "object.?spec.?strategy.orValue('none')": "none" }],
    ["object.spec.replicas > 5 ? object.spec.paused : true", { "object.spec.replicas": 7, "object.spec.paused": false }],
    ["object.spec.missing == 1", { "object.spec.missing": "CEL_NO_SUCH_KEY" }],
    ["object.spec.replicas in [1, 2]", { "object.spec.replicas": 7 }],
    ["object.spec.replicas + 1 == 7", { "object.spec.replicas": 7 }],
  ])("shows what decides %s", (expression, evidence) => {
    expect(evidenceOf(compile(expression))).toEqual(evidence);
  });

  test("looks into a lazy variable that decides", () => {
    const limit = compile("object.spec.replicas <= 5");
    expect(evidenceOf(compile("variables.limited", new Map([["limited", limit]])))).toEqual({
      "variables.limited": false,
      "object.spec.replicas": 7,
    });
  });

  test("charges nothing, and gives at most 20 parts", () => {
    const program = compile(Array.from({ length: 30 }, (_, index) => `object.missing${index} == 1`).join(" || "));
    const frame = createFrame({ object });
    const wide = compile(Array.from({ length: 30 }, (_, index) => `object.?missing${index}.orValue(2) == 1`).join(" || "));
    expect(explain(program, frame)).toHaveLength(1);
    expect(explain(wide, frame)).toHaveLength(20);
    expect(frame.cost).toBe(0);
  });
});
