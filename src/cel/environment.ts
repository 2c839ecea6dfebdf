import type { Diagnostic } from "../lib/diagnostic.ts";
import type { Result } from "../lib/result.ts";
import type { CheckedExpression } from "./checker.ts";
import type { Library } from "./declaration.ts";
import type { Declarations } from "./declarations.ts";
import type { ParsedExpression } from "./parser.ts";
import type { CompileOptions, Program } from "./program.ts";
import type { SourceText } from "./source-text.ts";
import type { CelType, TypeProvider } from "./type.ts";

export interface EnvironmentOptions {
  /** Beyond the standard library, which is always there. */
  readonly libraries?: readonly Library[];
  readonly variables?: Readonly<Record<string, CelType>>;
  readonly types?: TypeProvider;
  /** The namespace in which names are looked up first, such as `google.protobuf`. */
  readonly container?: string;
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
export function createEnvironment(_options: EnvironmentOptions = {}): Environment {
  throw new TypeError("createEnvironment is being built");
}
