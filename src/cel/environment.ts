import type { Diagnostic } from "../lib/diagnostic.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { CheckedExpression } from "./checked-expression.ts";
import { checkExpression } from "./checker.ts";
import { compileClosure } from "./closure/compile.ts";
import { generateSource } from "./codegen/generate.ts";
import { linkSources, mayGenerateCode } from "./codegen/link.ts";
import type { Library } from "./declaration.ts";
import { Declarations } from "./declarations.ts";
import { celDiagnostic } from "./diagnostic.ts";
import type { Frame } from "./frame.ts";
import { type ParsedExpression, parseExpression } from "./parser.ts";
import { lower } from "./plan/lowering.ts";
import type { Plan } from "./plan/op.ts";
import { resolveUnchecked } from "./plan/unchecked.ts";
import type { CompileOptions, Program } from "./program.ts";
import { type SourceText, sourceText } from "./source-text.ts";
import { standardLibrary } from "./standard/library.ts";
import { type CelType, formatType, type TypeProvider } from "./type.ts";
import type { CelValue } from "./value.ts";

export interface EnvironmentOptions {
  /** Beyond the standard library, which is always there. */
  readonly libraries?: readonly Library[];
  readonly variables?: Readonly<Record<string, CelType>>;
  readonly types?: TypeProvider;
  /** The namespace in which names are looked up first, such as `google.protobuf`. */
  readonly container?: string;
  /**
   * Whether `has(x.f)` and `x.?f` are errors when `x` is null or a scalar. False by default, as in Kubernetes: there is
   * no such field then.
   */
  readonly isPresenceStrict?: boolean;
}

/** What an expression may use. Immutable: `extend` makes a new one. */
export interface Environment {
  readonly declarations: Declarations;
  extend(options: EnvironmentOptions): Environment;
  parse(source: string | SourceText): Result<ParsedExpression, readonly Diagnostic[]>;
  check(parsed: ParsedExpression): Result<CheckedExpression, readonly Diagnostic[]>;
  compile(source: string | SourceText, options?: CompileOptions): Result<Program, readonly Diagnostic[]>;
}

/** An environment with the standard library and what the options add. */
export function createEnvironment(options: EnvironmentOptions = {}): Environment {
  const declarations = new Declarations({ ...options, libraries: [standardLibrary, ...(options.libraries ?? [])] });
  return environmentOf(declarations, options.isPresenceStrict ?? false);
}

function environmentOf(declarations: Declarations, isPresenceStrict: boolean): Environment {
  const parse = (source: string | SourceText): Result<ParsedExpression, readonly Diagnostic[]> =>
    parseExpression(typeof source === "string" ? sourceText(source) : source, { macros: declarations.macros });
  const check = (parsed: ParsedExpression): Result<CheckedExpression, readonly Diagnostic[]> => checkExpression(parsed, declarations);

  function compile(source: string | SourceText, options: CompileOptions = {}): Result<Program, readonly Diagnostic[]> {
    const parsed = parse(source);
    if (!parsed.ok) return parsed;
    const checked = options.checked === false ? ok(resolveUnchecked(parsed.value, declarations)) : check(parsed.value);
    if (!checked.ok) return checked;
    const mismatch = resultTypeMismatch(checked.value, options.resultType);
    if (mismatch !== undefined) return err([mismatch]);
    const plan = lower(checked.value, { types: declarations.types, lazy: options.lazy, isPresenceStrict });
    return ok({ checked: checked.value, run: compilePlan(plan, options.backend ?? "auto") });
  }

  return {
    declarations,
    parse,
    check,
    compile,
    extend: (more) => environmentOf(declarations.extend(more), more.isPresenceStrict ?? isPresenceStrict),
  };
}

function compilePlan(plan: Plan, backend: "source" | "closure" | "auto"): (frame: Frame) => CelValue {
  if (backend === "closure" || (backend === "auto" && !mayGenerateCode())) return compileClosure(plan);
  const [run] = linkSources([generateSource(plan)]);
  return run ?? compileClosure(plan);
}

function resultTypeMismatch({ resultType, root, source }: CheckedExpression, expected: CelType | undefined): Diagnostic | undefined {
  if (expected === undefined) return undefined;
  if (resultType.kind === "dyn" || expected.kind === "dyn" || resultType.kind === expected.kind) return undefined;
  return celDiagnostic(source, "CEL_TYPE_MISMATCH", `expected ${formatType(expected)}, got ${formatType(resultType)}`, root);
}
