/** Libraries that are macros only; see macro.ts. */
import type { Library } from "../declaration.ts";
import { BINDING_MACROS, BLOCK_MACROS, TWO_VARIABLE_MACROS } from "../macro.ts";

/** `cel.bind(name, value, body)`. */
export const bindingsLibrary: Library = { name: "bindings", functions: [], macros: BINDING_MACROS };

/** `cel.block([…], result)`, as the optimisers of other CEL implementations write it. */
export const blocksLibrary: Library = { name: "blocks", functions: [], macros: BLOCK_MACROS };

/** `all`, `exists` and `existsOne` over index and element or key and value; `transformList`, `transformMap`, `transformMapEntry`. */
export const comprehensionsLibrary: Library = { name: "comprehensions", functions: [], macros: TWO_VARIABLE_MACROS };
