import type { Diagnostic } from "../lib/diagnostic.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { CheckedExpression } from "./checked-expression.ts";
import { checkExpression } from "./checker.ts";
import { compileClosure } from "./closure/compile.ts";
import { generateSource } from "./codegen/generate.ts";
import { linkSource, mayGenerateCode } from "./codegen/link.ts";
import { CompiledProgram, type Recipe } from "./compiled-program.ts";
import type { Library } from "./declaration.ts";
import { Declarations } from "./declarations.ts";
import { celDiagnostic } from "./diagnostic.ts";
import { type ParsedExpression, parseExpression } from "./parser.ts";
import { lower } from "./plan/lowering.ts";
import { resolveUnchecked } from "./plan/unchecked.ts";
import type { CompileOptions, LazyScope, Program } from "./program.ts";
import { type SourceText, sourceText } from "./source-text.ts";
import { standardLibrary } from "./standard/library.ts";
import { type CelType, formatType, type TypeProvider } from "./type.ts";
import { Unification } from "./unification.ts";

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
  /** An environment with what this one has and what the options add; a variable or library of the same name is replaced. */
  extend(options: EnvironmentOptions): Environment;
  /** The syntax tree, or what is wrong: see `CelDiagnosticCode`. */
  parse(source: string | SourceText): Result<ParsedExpression, readonly Diagnostic[]>;
  /** The tree with types and meanings of names, or everything that is wrong, in source order. */
  check(parsed: ParsedExpression): Result<CheckedExpression, readonly Diagnostic[]>;
  /** A program, or what is wrong with the text. It becomes code when it first runs. */
  compile(source: string | SourceText, options?: CompileOptions): Result<Program, readonly Diagnostic[]>;
  /** The program of a tree that needs no checking, such as a residual expression. */
  link(checked: CheckedExpression, options?: Pick<CompileOptions, "backend" | "lazy">): Program;
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
  const recipe = (lazy: LazyScope | undefined, isChecked: boolean, backend: Backend): Recipe => ({
    check: (source) => {
      const parsed = parse(source);
      if (!parsed.ok) return parsed;
      return isChecked ? check(parsed.value) : ok(resolveUnchecked(parsed.value, declarations));
    },
    plan: (checked) => lower(checked, { types: declarations.types, lazy, isPresenceStrict }),
    link: (plan) => (isSource(backend) ? linkSource(generateSource(plan)) : compileClosure(plan)),
  });
  const usual = recipe(undefined, true, "auto");

  function compile(source: string | SourceText, options: CompileOptions = {}): Result<Program, readonly Diagnostic[]> {
    const { lazy, checked: isChecked = true, backend = "auto", resultType } = options;
    const chosen = lazy === undefined && isChecked && backend === "auto" ? usual : recipe(lazy, isChecked, backend);
    const checked = chosen.check(typeof source === "string" ? sourceText(source) : source);
    if (!checked.ok) return checked;
    const mismatch = resultTypeMismatch(checked.value, resultType);
    return mismatch === undefined ? ok(new CompiledProgram(chosen, checked.value)) : err([mismatch]);
  }

  function link(checked: CheckedExpression, options: Pick<CompileOptions, "backend" | "lazy"> = {}): Program {
    return new CompiledProgram({ ...recipe(options.lazy, true, options.backend ?? "auto"), check: () => ok(checked) }, checked);
  }

  return {
    declarations,
    parse,
    check,
    compile,
    link,
    extend: (more) => environmentOf(declarations.extend(more), more.isPresenceStrict ?? isPresenceStrict),
  };
}

type Backend = NonNullable<CompileOptions["backend"]>;

const isSource = (backend: Backend): boolean => backend === "source" || (backend === "auto" && mayGenerateCode());

function resultTypeMismatch({ resultType, root, source }: CheckedExpression, expected: CelType | undefined): Diagnostic | undefined {
  if (expected === undefined || new Unification().isAssignable(resultType, expected)) return undefined;
  return celDiagnostic(source, "CEL_TYPE_MISMATCH", `expected ${formatType(expected)}, got ${formatType(resultType)}`, root);
}
