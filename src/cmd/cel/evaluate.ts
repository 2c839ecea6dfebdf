/** `vigil cel eval`: one expression on values from the command line. */

import type { Library } from "../../cel/declaration.ts";
import { createEnvironment, type Environment } from "../../cel/environment.ts";
import { createFrame } from "../../cel/frame.ts";
import { toJson } from "../../cel/json.ts";
import { extensionLibraries, kubernetesLibraries, kyvernoLibraries } from "../../cel/library/catalogue.ts";
import type { CompileOptions } from "../../cel/program.ts";
import { type SourceText, sourceText } from "../../cel/source-text.ts";
import { type CelType, DYN } from "../../cel/type.ts";
import { CelError, type CelValue } from "../../cel/value.ts";
import type { Diagnostic } from "../../lib/diagnostic.ts";
import { encodeJson, type JsonValue } from "../../lib/json.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import { parseStrictJson } from "../../lib/strict-json.ts";
import { EXIT, type ExitCode } from "../command.ts";
import { parseYaml } from "../compile-policy-set.ts";
import { noteDiagnostics } from "../notes.ts";
import { readInput, readOneValue, STANDARD_INPUT } from "../read-input.ts";
import type { Terminal } from "../terminal.ts";

export interface Evaluation {
  readonly expression: string;
  /** A file, or `-`. */
  readonly input: string | undefined;
  /** `name=JSON` each. */
  readonly variables: readonly string[];
  readonly costLimit: number;
  readonly showsCost: boolean;
  readonly backend: NonNullable<CompileOptions["backend"]>;
}

export function evaluate(evaluation: Evaluation, terminal: Terminal): ExitCode {
  const result = jsonOf(evaluation, terminal);
  if (!result.ok) {
    noteDiagnostics(terminal, result.error);
    return EXIT.unable;
  }
  terminal.print(encodeJson(result.value));
  return EXIT.yes;
}

function jsonOf(
  { expression, input, variables, costLimit, showsCost, backend }: Evaluation,
  terminal: Terminal,
): Result<JsonValue, readonly Diagnostic[]> {
  const bindings = readBindings(input, variables, terminal);
  if (!bindings.ok) return bindings;
  const source = sourceText(expression);
  const compiled = environmentFor(bindings.value).compile(source, { backend });
  if (!compiled.ok) return compiled;
  const frame = createFrame(bindings.value, costLimit);
  const value = compiled.value.run(frame);
  if (showsCost) terminal.note(`cost: ${frame.cost} units`);
  const json = value instanceof CelError ? value : toJson(value);
  return json instanceof CelError ? err([diagnosticOf(json, source)]) : ok(json);
}

/** Everything that any of the families has; where two have a variant of one library, the newest wins. */
function allLibraries(): readonly Library[] {
  const families = [extensionLibraries, kyvernoLibraries({ nowMs: Date.now, random: Math.random, parseYaml }), kubernetesLibraries];
  return [
    ...new Map(
      families
        .flat()
        .toReversed()
        .map((library) => [library.name, library]),
    ).values(),
  ].toReversed();
}

function environmentFor(bindings: Readonly<Record<string, CelValue>>): Environment {
  const variables = Object.fromEntries(Object.keys(bindings).map((name): [string, CelType] => [name, DYN]));
  return createEnvironment({ libraries: allLibraries(), variables });
}

const NAME = /^[_a-zA-Z][_a-zA-Z0-9]*$/;

function readBindings(
  input: string | undefined,
  variables: readonly string[],
  terminal: Terminal,
): Result<Record<string, JsonValue>, readonly Diagnostic[]> {
  const bindings: Record<string, JsonValue> = {};
  if (input !== undefined) {
    const document = readOneValue(readInput(input, terminal), input === "-" ? STANDARD_INPUT : input);
    if (!document.ok) return document;
    const { value } = document.value;
    bindings["object"] = value;
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      for (const [name, item] of Object.entries(value)) if (NAME.test(name)) bindings[name] = item;
    }
  }
  for (const variable of variables) {
    const equals = variable.indexOf("=");
    const name = variable.slice(0, Math.max(0, equals));
    const value = parseStrictJson(Buffer.from(variable.slice(equals + 1)));
    if (!NAME.test(name) || !value.ok) return err([wrongVariable(variable)]);
    bindings[name] = value.value;
  }
  return ok(bindings);
}

function wrongVariable(text: string): Diagnostic {
  const message = `expected NAME=JSON, got \`${text}\``;
  const hint = "a text needs its quotes: --var 'name=\"text\"'";
  return {
    code: "CEL_EVAL_VARIABLE",
    severity: "error",
    message,
    file: "<--var>",
    line: 1,
    column: 1,
    length: text.length,
    sourceLine: text,
    hint,
  };
}

function diagnosticOf({ code, message, start, end }: CelError, { file, locate }: SourceText): Diagnostic {
  const from = Math.max(0, start);
  return { code, severity: "error", message, file, ...locate(from), length: Math.max(1, end - from) };
}
