/**
 * CEL, the Common Expression Language, for JavaScript: the whole language, the libraries of cel-go, Kubernetes and Kyverno,
 * a type checker, two back ends, cost limits in Kubernetes' units. `docs/cel.md` is the guide.
 */

// What goes wrong, as data.
export { type Diagnostic, renderDiagnostic } from "../lib/diagnostic.ts";
// Values.
export type { JsonObject, JsonValue } from "../lib/json.ts";
export type { Result } from "../lib/result.ts";
// Trees.
export type { Comprehension, Expr, LiteralValue } from "./ast.ts";
// Compiling and running.
export type { CheckedExpression, Reference } from "./checked-expression.ts";
// Static cost.
export { type CostEstimate, type EstimateOptions, estimateCost, type SizeHints } from "./cost/estimate.ts";
// Libraries, and what they are made of.
export type { CallCost, CostRange, FunctionDeclaration, Library, Overload } from "./declaration.ts";
export type { CelDiagnosticCode } from "./diagnostic.ts";
export { createEnvironment, type Environment, type EnvironmentOptions } from "./environment.ts";
export { type Evidence, explain } from "./explain.ts";
export { createFrame, type Frame, MATCH_CONDITIONS_BUDGET, PER_CALL_LIMIT, RUNTIME_BUDGET } from "./frame.ts";
export { toJson } from "./json.ts";
export { bindingsLibrary, blocksLibrary, comprehensionsLibrary } from "./library/bindings.ts";
export { extensionLibraries, type KyvernoOptions, kubernetesLibraries, kyvernoLibraries } from "./library/catalogue.ts";
export { optionalsLibrary } from "./library/optionals.ts";
export type { ParsedExpression } from "./parser.ts";
export { type PartialOptions, type PartialResult, partialEvaluate } from "./partial/partial-evaluate.ts";
export type { CompileOptions, LazyScope, Program } from "./program.ts";
export { asDouble, doubleOf } from "./runtime/double.ts";
export { equals } from "./runtime/equality.ts";
export { compare } from "./runtime/ordering.ts";
export { typeOf } from "./runtime/type-of.ts";
export { type SourceText, sourceText } from "./source-text.ts";
export { standardLibrary } from "./standard/library.ts";
export { childrenOf, walk } from "./traversal.ts";
// Types.
export {
  BOOL,
  BYTES,
  type CelType,
  DOUBLE,
  DURATION,
  DYN,
  type FieldType,
  formatType,
  INT,
  listType,
  mapType,
  NULL,
  objectType,
  opaqueType,
  optionalType,
  STRING,
  sameType,
  TIMESTAMP,
  TYPE,
  type TypeProvider,
  typeParam,
  UINT,
} from "./type.ts";
export { unparse } from "./unparse.ts";
export {
  CelDouble,
  CelDuration,
  CelError,
  type CelErrorCode,
  CelMap,
  CelOpaque,
  CelOptional,
  CelTimestamp,
  CelTypeValue,
  CelUint,
  type CelValue,
  NONE,
} from "./value.ts";
