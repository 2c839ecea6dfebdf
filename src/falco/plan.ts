/**
 * Conditions as a graph in which what is alike is one node, so that a macro that many rules use is judged once per event, and one
 * that mentions others twice, and those others again, does not grow.
 */
import type { Test } from "./check-test.ts";

export type PlanNode =
  | { readonly kind: "constant"; readonly id: number; readonly value: boolean }
  | { readonly kind: "test"; readonly id: number; readonly test: Test }
  | { readonly kind: "not"; readonly id: number; readonly node: PlanNode }
  | { readonly kind: "and" | "or"; readonly id: number; readonly nodes: readonly PlanNode[] };

export class PlanPool {
  readonly #nodes = new Map<string, PlanNode>();
  readonly TRUE: PlanNode = { kind: "constant", id: 0, value: true };
  readonly FALSE: PlanNode = { kind: "constant", id: 1, value: false };

  get size(): number {
    return this.#nodes.size + 2;
  }

  constant(value: boolean): PlanNode {
    return value ? this.TRUE : this.FALSE;
  }

  test(test: Test): PlanNode {
    return this.#intern(`t ${test.key}`, (id) => ({ kind: "test", id, test }));
  }

  not(node: PlanNode): PlanNode {
    if (node.kind === "constant") return this.constant(!node.value);
    if (node.kind === "not") return node.node;
    return this.#intern(`n ${node.id}`, (id) => ({ kind: "not", id, node }));
  }

  /** With what is constant taken away. Nested junctions stay: they are macros, and shared. */
  junction(kind: "and" | "or", operands: readonly PlanNode[]): PlanNode {
    const decides = kind === "or";
    const nodes: PlanNode[] = [];
    for (const operand of operands) {
      if (operand.kind === "constant") {
        if (operand.value === decides) return operand;
      } else if (!nodes.includes(operand)) nodes.push(operand);
    }
    const [first] = nodes;
    if (first === undefined) return this.constant(!decides);
    if (nodes.length === 1) return first;
    return this.#intern(`${kind} ${nodes.map(({ id }) => id).join(",")}`, (id) => ({ kind, id, nodes }));
  }

  #intern(key: string, make: (id: number) => PlanNode): PlanNode {
    const known = this.#nodes.get(key);
    if (known !== undefined) return known;
    const node = make(this.#nodes.size + 2);
    this.#nodes.set(key, node);
    return node;
  }
}

/** What the node comes to on events of one type. */
export function specialize(pool: PlanPool, root: PlanNode, type: string, done: Map<number, PlanNode>): PlanNode {
  const known = done.get(root.id);
  if (known !== undefined) return known;
  const inside = (node: PlanNode): PlanNode => specialize(pool, node, type, done);
  let result: PlanNode;
  switch (root.kind) {
    case "constant":
      result = root;
      break;
    case "test": {
      const constant = root.test.constantFor(type);
      result = constant === undefined ? root : pool.constant(constant);
      break;
    }
    case "not":
      result = pool.not(inside(root.node));
      break;
    case "and":
    case "or":
      result = pool.junction(root.kind, root.nodes.map(inside));
      break;
    default:
      return root satisfies never;
  }
  done.set(root.id, result);
  return result;
}
