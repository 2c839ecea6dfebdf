/** Fields that a foreign kind has and Vigil cannot enforce: refused by name, since to ignore one would be to enforce something else. */
import type { Shape } from "./shape.ts";

/** Reports the field wherever it is given; `why` goes into the hint. */
export const unsupported =
  (why: string): Shape<never> =>
  (_value, spot) =>
    void spot.report("RESOURCE_UNSUPPORTED_FIELD", `\`${spot.name}\` is not supported`, why, true);
