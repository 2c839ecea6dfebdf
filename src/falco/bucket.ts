/**
 * The rules that events of one type can match, as one function: JavaScript source, or closures where the runtime disallows source.
 * What several rules share is judged once per event. No text of a rule file reaches the source: values are constants, names are made.
 */
import { mayGenerateCode } from "../cel/codegen/link.ts";
import type { Test } from "./check-test.ts";
import type { FieldValue } from "./field/field-row.ts";
import type { PlanNode } from "./plan.ts";
import type { SyscallEvent } from "./syscall-event.ts";

/** The indexes, in `roots`, of what holds; null when nothing does. */
export type Bucket = (event: SyscallEvent) => number[] | null;

export type Backend = "source" | "closure" | "auto";

export function compileBucket(roots: readonly PlanNode[], backend: Backend): Bucket {
  if (roots.length === 0) return () => null;
  const isSource = backend === "source" || (backend === "auto" && mayGenerateCode());
  return isSource ? linkBucket(generateBucket(roots)) : closureBucket(roots);
}

/** Nodes that are worth remembering for the rest of an event: used more than once, and more than one comparison. */
function sharedNodes(roots: readonly PlanNode[]): ReadonlyMap<number, number> {
  const uses = new Map<number, number>();
  const slots = new Map<number, number>();
  const visit = (node: PlanNode): void => {
    const before = uses.get(node.id) ?? 0;
    uses.set(node.id, before + 1);
    if (before === 1 && isWorthRemembering(node)) slots.set(node.id, slots.size);
    if (before > 0) return;
    for (const child of childrenOf(node)) visit(child);
  };
  for (const root of roots) visit(root);
  return slots;
}

const childrenOf = (node: PlanNode): readonly PlanNode[] =>
  node.kind === "not" ? [node.node] : node.kind === "and" || node.kind === "or" ? node.nodes : [];
const isWorthRemembering = (node: PlanNode): boolean =>
  node.kind === "and" || node.kind === "or" || (node.kind === "test" && node.test.form.kind === "opaque");

interface GeneratedBucket {
  /** A function expression of `S` (a slot for each shared node), `K` (the functions below) and the constants. */
  readonly source: string;
  readonly slotCount: number;
  readonly constants: readonly unknown[];
}

/** Comparisons that need a value. */
const RUNTIME = Object.freeze({
  different: (a: FieldValue, b: FieldValue): boolean => a !== null && a !== b,
  includes: (a: FieldValue, b: string): boolean => typeof a === "string" && a.includes(b),
  startsWith: (a: FieldValue, b: string): boolean => typeof a === "string" && a.startsWith(b),
  endsWith: (a: FieldValue, b: string): boolean => typeof a === "string" && a.endsWith(b),
  less: (a: FieldValue, b: number): boolean => typeof a === "number" && a < b,
  lessOrEqual: (a: FieldValue, b: number): boolean => typeof a === "number" && a <= b,
  greater: (a: FieldValue, b: number): boolean => typeof a === "number" && a > b,
  greaterOrEqual: (a: FieldValue, b: number): boolean => typeof a === "number" && a >= b,
});

function generateBucket(roots: readonly PlanNode[]): GeneratedBucket {
  const slots = sharedNodes(roots);
  const constants: unknown[] = [];
  const names = new Map<unknown, string>();
  const constant = (value: unknown): string => {
    const known = names.get(value);
    if (known !== undefined) return known;
    const name = `k${constants.push(value) - 1}`;
    names.set(value, name);
    return name;
  };
  const functions: string[] = [];
  const written = new Set<number>();
  const use = (node: PlanNode): string => {
    const slot = slots.get(node.id);
    if (slot === undefined) return expression(node);
    if (!written.has(node.id)) {
      written.add(node.id);
      const body = expression(node);
      functions.push(
        `const n${slot}=(e)=>{const s=S[${slot}];if(s>>>1===g)return(s&1)===1;const v=${body};S[${slot}]=g*2+(v?1:0);return v};`,
      );
    }
    return `n${slot}(e)`;
  };
  const expression = (node: PlanNode): string => {
    switch (node.kind) {
      case "constant":
        return String(node.value);
      case "not":
        return `!(${use(node.node)})`;
      case "and":
        return `(${node.nodes.map(use).join("&&")})`;
      case "or":
        return `(${node.nodes.map(use).join("||")})`;
      case "test":
        return testSource(node.test, constant);
      default:
        return node satisfies never;
    }
  };
  const statements = roots.map((root, index) => `if(${use(root)})(r??=[]).push(${index});`);
  const parameters = ["S", "K", ...constants.map((_, index) => `k${index}`)].join(",");
  const tick = "g=g+1&0x3fffffff;if(g===0){S.fill(0);g=1}";
  const source = `(${parameters})=>{let g=0;${functions.join("")}return(e)=>{${tick}let r=null;${statements.join("")}return r}}`;
  return { source, slotCount: slots.size, constants };
}

function testSource({ access, form, holds }: Test, constant: (value: unknown) => string): string {
  if (form.kind === "opaque") return `${constant(holds)}(e)`;
  const value = access.path === undefined ? `${constant(access.read)}(e)` : propertySource(access.path);
  switch (form.kind) {
    case "present":
      return `${value}!==null`;
    case "equal":
      return `${value}===${constant(form.value)}`;
    case "among":
      return `${constant(form.values)}.has(${value})`;
    case "different":
    case "includes":
    case "startsWith":
    case "endsWith":
    case "less":
    case "lessOrEqual":
    case "greater":
    case "greaterOrEqual":
      return `K.${form.kind}(${value},${constant(form.value)})`;
    default:
      return form satisfies never;
  }
}

const NULLABLE = ["fd", "fd.socket"];

/** INVARIANT: paths are those of the catalogue of fields. */
function propertySource(path: string): string {
  if (!/^[a-zA-Z]+(?:\.[a-zA-Z]+)*$/.test(path)) throw new RangeError(`no property path: ${path}`);
  const guards = NULLABLE.filter((prefix) => path.startsWith(`${prefix}.`)).map((prefix) => `e.${prefix}===null`);
  return guards.length === 0 ? `e.${path}` : `(${guards.join("||")}?null:e.${path})`;
}

function linkBucket({ source, slotCount, constants }: GeneratedBucket): Bucket {
  const factory = new Function(`"use strict";return${source}`)() as (...given: readonly unknown[]) => Bucket; // as generated above
  return factory(new Uint32Array(slotCount), RUNTIME, ...constants);
}

type Holds = (event: SyscallEvent) => boolean;

function closureBucket(roots: readonly PlanNode[]): Bucket {
  const slots = sharedNodes(roots);
  const made = new Map<number, Holds>();
  let generation = 0;
  const make = (node: PlanNode): Holds => {
    const known = made.get(node.id);
    if (known !== undefined) return known;
    const plain = plainClosure(node, make);
    const holds = slots.has(node.id) ? remembering(plain, () => generation) : plain;
    made.set(node.id, holds);
    return holds;
  };
  const closures = roots.map(make);
  return (event) => {
    generation += 1;
    let found: number[] | null = null;
    for (const [index, holds] of closures.entries()) {
      if (!holds(event)) continue;
      found ??= [];
      found.push(index);
    }
    return found;
  };
}

function remembering(holds: Holds, generation: () => number): Holds {
  let judged = 0;
  let answer = false;
  return (event) => {
    if (judged !== generation()) {
      answer = holds(event);
      judged = generation();
    }
    return answer;
  };
}

function plainClosure(node: PlanNode, make: (node: PlanNode) => Holds): Holds {
  switch (node.kind) {
    case "constant":
      return () => node.value;
    case "test":
      return node.test.holds;
    case "not": {
      const inner = make(node.node);
      return (event) => !inner(event);
    }
    case "and": {
      const all = node.nodes.map(make);
      return (event) => all.every((holds) => holds(event));
    }
    case "or": {
      const all = node.nodes.map(make);
      return (event) => all.some((holds) => holds(event));
    }
    default:
      return node satisfies never;
  }
}
