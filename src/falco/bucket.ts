/**
 * The rules that events of one type can match, as one function: JavaScript source, or closures where the runtime disallows source.
 * What several rules share is judged once per event. No text of a rule file reaches the source: values are constants, names are made.
 */
import { mayGenerateCode } from "../cel/codegen/link.ts";
import type { Test } from "./check-test.ts";
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
  /** A function expression of `S` (a slot for each shared node), `G` and `V` (for each value that is worked out) and the constants. */
  readonly source: string;
  readonly nodeSlots: number;
  readonly valueSlots: number;
  readonly constants: readonly unknown[];
}

function generateBucket(roots: readonly PlanNode[]): GeneratedBucket {
  return new BucketSource(roots).generate();
}

/** What functions of an event begin with: `t` is for a value that is looked at twice. */
const PROLOGUE = "const c=e.caller,f=e.fd,q=f===null?null:f.socket;let t;";

class BucketSource {
  readonly #roots: readonly PlanNode[];
  readonly #slots: ReadonlyMap<number, number>;
  readonly #constants: unknown[] = [];
  readonly #names = new Map<unknown, string>();
  readonly #functions: string[] = [];
  readonly #written = new Set<number>();
  /** Values that are worked out, by their text: alike in all checks. */
  readonly #values = new Map<string, string>();

  constructor(roots: readonly PlanNode[]) {
    this.#roots = roots;
    this.#slots = sharedNodes(roots);
  }

  generate(): GeneratedBucket {
    const statements = this.#roots.map((root, index) => `if(${this.#use(root)})(r??=[]).push(${index});`);
    const parameters = ["S", "G", "V", ...this.#constants.map((_, index) => `k${index}`)].join(",");
    const tick = "g=g+1&0x3fffffff;if(g===0){S.fill(0);G.fill(0);g=1}";
    const body = `${tick}${PROLOGUE}let r=null;${statements.join("")}return r`;
    return {
      source: `(${parameters})=>{let g=0;${this.#functions.join("")}return(e)=>{${body}}}`,
      nodeSlots: this.#slots.size,
      valueSlots: this.#values.size,
      constants: this.#constants,
    };
  }

  #constant(value: unknown): string {
    const known = this.#names.get(value);
    if (known !== undefined) return known;
    const name = `k${this.#constants.push(value) - 1}`;
    this.#names.set(value, name);
    return name;
  }

  /** A node, through its function when it is shared. */
  #use(node: PlanNode): string {
    const slot = this.#slots.get(node.id);
    if (slot === undefined) return this.#expression(node);
    if (!this.#written.has(node.id)) {
      this.#written.add(node.id);
      const value = this.#expression(node);
      const known = `const s=S[${slot}];if(s>>>1===g)return(s&1)===1;`;
      this.#functions.push(`const n${slot}=(e)=>{${known}${PROLOGUE}const v=${value};S[${slot}]=g*2+(v?1:0);return v};`);
    }
    return `n${slot}(e)`;
  }

  #expression(node: PlanNode): string {
    switch (node.kind) {
      case "constant":
        return String(node.value);
      case "not":
        return `!(${this.#use(node.node)})`;
      case "and":
        return `(${node.nodes.map((child) => this.#use(child)).join("&&")})`;
      case "or":
        return `(${node.nodes.map((child) => this.#use(child)).join("||")})`;
      case "test":
        return this.#test(node.test);
      default:
        return node satisfies never;
    }
  }

  #test({ access, form, holds, matches, isForAll }: Test): string {
    if (access.readAll !== undefined && matches !== undefined) {
      const values = this.#workedOut(access.text, access.readAll);
      const [test, empty] = [this.#constant(matches), isForAll ? `${values}.length>0&&` : ""];
      return `(${empty}${values}.${isForAll ? "every" : "some"}(${test}))`;
    }
    if (form.kind === "opaque" && matches === undefined) return `${this.#constant(holds)}(e)`;
    const value = access.path === undefined ? this.#workedOut(access.text, access.read) : propertySource(access.path);
    switch (form.kind) {
      case "opaque":
        return `${this.#constant(matches)}(${value})`;
      case "present":
        return `${value}!==null`;
      case "equal":
        return `${value}===${this.#constant(form.value)}`;
      case "among":
        return `${this.#constant(form.values)}.has(${value})`;
      case "different":
        return `((t=${value})!==null&&t!==${this.#constant(form.value)})`;
      case "includes":
      case "startsWith":
      case "endsWith":
        return `((t=${value})!==null&&t.${form.kind}(${this.#constant(form.value)}))`;
      case "less":
      case "lessOrEqual":
      case "greater":
      case "greaterOrEqual":
        return `((t=${value})!==null&&t${ORDERS[form.kind]}${this.#constant(form.value)})`;
      default:
        return form satisfies never;
    }
  }

  /** A value that is no property: worked out once for an event. */
  #workedOut(text: string, read: unknown): string {
    const known = this.#values.get(text);
    if (known !== undefined) return `${known}(e)`;
    const slot = this.#values.size;
    const name = `v${slot}`;
    this.#values.set(text, name);
    this.#functions.push(
      `const ${name}=(e)=>{if(G[${slot}]===g)return V[${slot}];G[${slot}]=g;return V[${slot}]=${this.#constant(read)}(e)};`,
    );
    return `${name}(e)`;
  }
}

const ORDERS = { less: "<", lessOrEqual: "<=", greater: ">", greaterOrEqual: ">=" } as const;

/** What a path begins with, and the name that functions have for it. */
const OWNERS = [
  { prefix: "fd.socket.", name: "q", isNullable: true },
  { prefix: "fd.", name: "f", isNullable: true },
  { prefix: "caller.", name: "c", isNullable: false },
  { prefix: "", name: "e", isNullable: false },
] as const;

/** INVARIANT: paths are those of the catalogue of fields. */
function propertySource(path: string): string {
  if (!/^[a-zA-Z]+(?:\.[a-zA-Z]+)*$/.test(path)) throw new RangeError(`no property path: ${path}`);
  for (const { prefix, name, isNullable } of OWNERS) {
    if (!path.startsWith(prefix)) continue;
    const property = `${name}.${path.slice(prefix.length)}`;
    return isNullable ? `(${name}===null?null:${property})` : property;
  }
  throw new RangeError(`no property path: ${path}`);
}

function linkBucket({ source, nodeSlots, valueSlots, constants }: GeneratedBucket): Bucket {
  const factory = new Function(`"use strict";return${source}`)() as (...given: readonly unknown[]) => Bucket; // as generated above
  return factory(new Uint32Array(nodeSlots), new Uint32Array(valueSlots), new Array(valueSlots).fill(null), ...constants);
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
