import type { Environment } from "../cel/environment.ts";
import type { CompileOptions, LazyScope, Program } from "../cel/program.ts";
import { BOOL, type CelType, DYN, type FieldType } from "../cel/type.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import type { AuditAnnotation, Expression, NamedExpression } from "../resource/expression.ts";
import type { CompiledAnnotation, CompiledCondition, CompiledExpression } from "./compiled-policy.ts";
import { withVariables } from "./policy-declarations.ts";

/**
 * Compiles the expressions of one policy. What does not compile goes to `problems` and is left out of the result, so that one
 * run finds all mistakes of a policy.
 */
export class ExpressionCompiler {
  readonly problems: Diagnostic[] = [];
  /** Set by `compileVariables`. */
  lazy: LazyScope | undefined;
  #environment: Environment;
  readonly #backend: CompileOptions["backend"];

  constructor(environment: Environment, backend: CompileOptions["backend"] = "auto") {
    this.#environment = environment;
    this.#backend = backend;
  }

  /**
   * Compiles the policy's variables in order: each may use those before it, and everything compiled from now on all of them.
   * A reference to a later one, and so any cycle, is an undefined field.
   */
  compileVariables(variables: readonly NamedExpression[]): void {
    if (variables.length === 0) return;
    const fields = new Map<string, FieldType>();
    const programs = new Map<string, Program>();
    this.#environment = this.#environment.extend({ types: withVariables(this.#environment.declarations.types, fields) });
    this.lazy = { variable: "variables", programs };
    for (const { name, expression } of variables) {
      const compiled = this.compile(expression);
      // One that does not compile is not a mistake of those that use it.
      fields.set(name, { type: compiled?.program.checked.resultType ?? DYN });
      if (compiled !== undefined) programs.set(name, compiled.program);
    }
  }

  compile(expression: Expression, resultType?: CelType): CompiledExpression | undefined {
    const options: CompileOptions = {
      backend: this.#backend ?? "auto",
      ...(resultType === undefined ? {} : { resultType }),
      ...(this.lazy === undefined ? {} : { lazy: this.lazy }),
    };
    const compiled = this.#environment.compile(expression.source, options);
    if (compiled.ok) return { expression, program: compiled.value };
    this.problems.push(...compiled.error);
    return undefined;
  }

  conditions(conditions: readonly NamedExpression[]): readonly CompiledCondition[] {
    return conditions.flatMap(({ name, expression }) => {
      const compiled = this.compile(expression, BOOL);
      return compiled === undefined ? [] : [{ name, ...compiled }];
    });
  }

  /** The values must be texts or null; which of them is seen when they run. */
  annotations(annotations: readonly AuditAnnotation[]): readonly CompiledAnnotation[] {
    return annotations.flatMap(({ key, valueExpression }) => {
      const compiled = this.compile(valueExpression);
      return compiled === undefined ? [] : [{ key, ...compiled }];
    });
  }
}
