/** The environment in which the conformance data is checked. */
import { Declarations } from "../../src/cel/declarations.ts";
import { bindingsLibrary, blocksLibrary, comprehensionsLibrary } from "../../src/cel/library/bindings.ts";
import { encodersLibrary } from "../../src/cel/library/encoders.ts";
import { listsLibrary } from "../../src/cel/library/lists.ts";
import { mathLibrary } from "../../src/cel/library/math.ts";
import { optionalsLibrary } from "../../src/cel/library/optionals.ts";
import { setsLibrary } from "../../src/cel/library/sets.ts";
import { stringsLibrary } from "../../src/cel/library/strings.ts";
import { standardLibrary } from "../../src/cel/standard/library.ts";
import { BOOL, BYTES, type CelType, DOUBLE, INT, NULL, STRING, UINT } from "../../src/cel/type.ts";
import type { Case } from "./cases.ts";
import { declaredFunctions, declaredVariables } from "./declared-type.ts";
import { enumConstants, protobufTypes } from "./protobuf-messages.ts";

/** What cel-go's checker tests declare in their default environment. */
const CHECKER_VARIABLES: Readonly<Record<string, CelType>> = { is: STRING, ii: INT, iu: UINT, iz: BOOL, ib: BYTES, id: DOUBLE, ix: NULL };
const checkerLibrary = {
  name: "checker test",
  functions: [
    { name: "fg_s", overloads: [{ id: "fg_s_0", args: [], result: STRING, isMember: false, call: () => "" }] },
    { name: "fi_s_s", overloads: [{ id: "fi_s_s_0", args: [STRING], result: STRING, isMember: true, call: () => "" }] },
  ],
};

const messages = { name: "protobuf messages", functions: [], constants: enumConstants };
const macroLibraries = [bindingsLibrary, blocksLibrary, comprehensionsLibrary];
const libraries = [
  standardLibrary,
  optionalsLibrary,
  ...macroLibraries,
  stringsLibrary,
  listsLibrary,
  setsLibrary,
  mathLibrary,
  encodersLibrary,
  messages,
];
const base = new Declarations({ libraries, types: protobufTypes, crossTypeComparisons: false });

/** What a case may use: everything of cel-go, and what it declares itself. */
export function declarationsFor(given: Case, options: { readonly crossTypeComparisons?: boolean } = {}): Declarations {
  const { container = "" } = given.original;
  const functions = declaredFunctions(given);
  const added = functions.length === 0 ? {} : { libraries: [{ name: "case", functions }] };
  return base.extend({ variables: declaredVariables(given), container, ...added, ...options });
}

/** `declarationsFor`, with what the checker tests of cel-go declare. */
export function checkerDeclarationsFor(given: Case, options: { readonly crossTypeComparisons?: boolean } = {}): Declarations {
  const declarations = declarationsFor(given, options);
  return declarations.extend({ variables: CHECKER_VARIABLES, libraries: [checkerLibrary] });
}
