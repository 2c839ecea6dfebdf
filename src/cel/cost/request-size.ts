/**
 * How large a value can be when it came in a Kubernetes request, from its declared type alone (apiserver
 * pkg/cel/common/schemas.go): nothing is larger than a request, and every element takes some of its bytes.
 */
import type { CostRange } from "../declaration.ts";
import { range } from "../library/cost.ts";
import type { CelType } from "../type.ts";

const MAX_REQUEST_BYTES = 3 * 1024 * 1024;
/** Quotes, brackets or braces. */
const DELIMITERS = 2;

/** The sizes that a value of `type` within a request can have, or undefined for types whose values have no size. */
export function sizeInRequest(type: CelType): CostRange | undefined {
  switch (type.kind) {
    case "string":
    case "bytes":
    case "dyn":
      return range(0, MAX_REQUEST_BYTES - DELIMITERS);
    case "list":
      return range(0, Math.floor((MAX_REQUEST_BYTES - DELIMITERS) / (leastBytes(type.element) + 1)));
    case "map":
      // The least that an entry takes besides its value: a key of one character in quotes, colon, comma.
      return range(0, Math.floor((MAX_REQUEST_BYTES - DELIMITERS) / (leastBytes(type.value) + 6)));
    case "wrapper":
      return sizeInRequest(type.of);
    default:
      return undefined;
  }
}

/** The length of the shortest JSON text of a value. */
function leastBytes(type: CelType): number {
  switch (type.kind) {
    case "bool":
    case "null":
      return 4;
    case "string":
    case "bytes":
    case "list":
    case "map":
    case "object":
      return DELIMITERS;
    case "duration":
      return 3;
    case "timestamp":
      return 12;
    default:
      return 1;
  }
}
