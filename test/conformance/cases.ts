/** The public conformance data of `@bufbuild/cel-spec`, flattened to one list of cases. */
import { tests as checking } from "@bufbuild/cel-spec/testdata/checking.js";
import { tests as comprehension } from "@bufbuild/cel-spec/testdata/comprehension.js";
import { tests as conformance } from "@bufbuild/cel-spec/testdata/conformance.js";
import { tests as parsing } from "@bufbuild/cel-spec/testdata/parsing.js";
import type { JsonValue } from "../../src/lib/json.ts";

type Suite = typeof conformance;

/** The JSON of `cel.expr.Type`. */
export interface DeclaredType {
  readonly primitive?: string;
  readonly wellKnown?: string;
  readonly wrapper?: string;
  readonly null?: unknown;
  readonly dyn?: unknown;
  readonly listType?: { readonly elemType?: DeclaredType };
  readonly mapType?: { readonly keyType?: DeclaredType; readonly valueType?: DeclaredType };
  readonly messageType?: string;
  readonly typeParam?: string;
  readonly abstractType?: { readonly name?: string; readonly parameterTypes?: readonly DeclaredType[] };
  readonly type?: DeclaredType;
}

/** The JSON of `cel.expr.Decl`. */
export interface Declaration {
  readonly name: string;
  readonly ident?: { readonly type?: DeclaredType };
  readonly function?: {
    readonly overloads?: readonly {
      readonly overloadId: string;
      readonly params?: readonly DeclaredType[];
      readonly resultType?: DeclaredType;
      readonly isInstanceFunction?: boolean;
    }[];
  };
}

/** The JSON of `cel.expr.conformance.test.SimpleTest`, as far as it matters here. */
export interface Original {
  readonly name?: string;
  readonly expr: string;
  readonly container?: string;
  readonly disableCheck?: boolean;
  readonly checkOnly?: boolean;
  readonly typeEnv?: readonly Declaration[];
  readonly bindings?: Readonly<Record<string, JsonValue>>;
  /** Expected outcomes, as the JSON of `cel.expr.Value` and `cel.expr.ErrorSet`. */
  readonly value?: JsonValue;
  readonly typedResult?: JsonValue;
  readonly evalError?: JsonValue;
}

/** One test of the data: an expression, cel-go's trees of it, and what it evaluates to. */
export interface Case {
  /** Path in the data, such as `conformance/basic/variables/self_eval`; unique. */
  readonly id: string;
  readonly expression: string;
  readonly original: Original;
  /** cel-go's tree, when it parses. */
  readonly ast: string | undefined;
  readonly checkedAst: string | undefined;
  readonly type: string | undefined;
  /** What cel-go reports, of parsing or of checking. */
  readonly error: string | undefined;
}

/** The data is trusted to have the shape of its message. */
const parseOriginal = (json: unknown): Original => json as Original;

export const parsingCases: readonly Case[] = casesOf(parsing);
export const checkingCases: readonly Case[] = casesOf(checking);
export const comprehensionCases: readonly Case[] = casesOf(comprehension);
export const conformanceCases: readonly Case[] = casesOf(conformance);

function casesOf(root: Suite): readonly Case[] {
  const cases: Case[] = [];
  const seen = new Map<string, number>();
  const visit = (suite: Suite, path: string): void => {
    for (const { original: json, ast, checkedAst, type, error } of suite.tests ?? []) {
      const original = parseOriginal(json);
      const name = `${path}/${original.name ?? original.expr.replaceAll(/\s+/g, " ").slice(0, 60)}`;
      const count = (seen.get(name) ?? 0) + 1;
      seen.set(name, count);
      cases.push({ id: count === 1 ? name : `${name} (${count})`, expression: original.expr, original, ast, checkedAst, type, error });
    }
    for (const inner of suite.suites ?? []) visit(inner, `${path}/${inner.name}`);
  };
  visit(root, root.name);
  return cases;
}

/** The data was made with a parser of this depth. */
export const DATA_MAX_DEPTH = 32;

/** Syntax that the parser of the data had switched off, and that is always on here. */
export const usesOptionalSyntax = ({ error }: Case): boolean => error?.includes("unsupported syntax") === true;
