import type { Library } from "../declaration.ts";
import { STANDARD_MACROS } from "../macro.ts";
import { arithmeticFunctions } from "./arithmetic.ts";
import { collectionFunctions } from "./collections.ts";
import { comparisonFunctions } from "./comparison.ts";
import { conversionFunctions } from "./conversion.ts";
import { logicFunctions } from "./logic.ts";
import { stringFunctions } from "./strings.ts";
import { timeFunctions } from "./time.ts";
import { typeConstants, typeFunctions } from "./type.ts";

/** The standard library of CEL, with cel-go's overload ids. Every environment has it. */
export const standardLibrary: Library = {
  name: "standard",
  functions: [
    ...logicFunctions,
    ...comparisonFunctions,
    ...arithmeticFunctions,
    ...collectionFunctions,
    ...stringFunctions,
    ...typeFunctions,
    ...conversionFunctions,
    ...timeFunctions,
  ],
  constants: typeConstants,
  macros: STANDARD_MACROS,
};
