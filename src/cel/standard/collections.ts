/** Indexing, membership and size. */
import type { CallCost, FunctionDeclaration } from "../declaration.ts";
import { range, UNBOUNDED } from "../library/cost.ts";
import { anything, bytes, declare, func, int, list, map, method, string } from "../library/define.ts";
import { contains, sizeOf } from "../runtime/collection.ts";
import { costSize } from "../runtime/cost.ts";
import { lookUp } from "../runtime/lookup.ts";
import { BOOL, INT, typeParam } from "../type.ts";

const a = anything("A");
const b = anything("B");

const wholeList: CallCost = {
  actual: ([, container = null]) => costSize(container),
  estimate: ([, size = UNBOUNDED]) => ({ cost: range(size.min, size.max) }),
};

export const collectionFunctions: readonly FunctionDeclaration[] = [
  declare(
    "_[_]",
    "The element of a list at an index, or the value of a key in a map.",
    func("index_list", [list(a), int], typeParam("A"), (container, index) => lookUp(container, index, true)),
    func("index_map", [map(a, b), a], typeParam("B"), (container, key) => lookUp(container, key, true)),
  ),
  declare(
    "@in",
    "Whether a list has the element, or a map the key.",
    func("in_list", [a, list(a)], BOOL, (element, container) => contains(container, element), wholeList),
    func("in_map", [a, map(a, b)], BOOL, (key, container) => contains(container, key)),
  ),
  declare(
    "size",
    "The number of code points, bytes, elements or entries.",
    func("size_bytes", [bytes], INT, sizeOf),
    method("bytes_size", [bytes], INT, sizeOf),
    func("size_list", [list(a)], INT, sizeOf),
    method("list_size", [list(a)], INT, sizeOf),
    func("size_map", [map(a, b)], INT, sizeOf),
    method("map_size", [map(a, b)], INT, sizeOf),
    func("size_string", [string], INT, sizeOf),
    method("string_size", [string], INT, sizeOf),
  ),
];
