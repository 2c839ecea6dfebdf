/** Evaluation of the public conformance data in both back ends: exact values and types, errors as errors. */
import { describe, expect, test } from "vitest";
import { createEnvironment, type Environment } from "../../src/cel/environment.ts";
import { createFrame } from "../../src/cel/frame.ts";
import { bindingsLibrary, blocksLibrary, comprehensionsLibrary } from "../../src/cel/library/bindings.ts";
import { encodersLibrary } from "../../src/cel/library/encoders.ts";
import { mathLibrary } from "../../src/cel/library/math.ts";
import { networkLibrary } from "../../src/cel/library/network.ts";
import { optionalsLibrary } from "../../src/cel/library/optionals.ts";
import { stringsLibrary } from "../../src/cel/library/strings.ts";
import { formatType } from "../../src/cel/type.ts";
import { CelError, type CelValue } from "../../src/cel/value.ts";
import { type Case, conformanceCases, type DeclaredType } from "./cases.ts";
import { declaredFunctions, declaredVariables, parseDeclaredType } from "./declared-type.ts";
import { expectConformance } from "./known-failures.ts";
import { enumConstants, protobufTypes } from "./protobuf-messages.ts";
import { parseProtobufValue, typedValue } from "./typed-value.ts";

/** Messages of protobuf, other than those that are types of CEL, and its enums. */
const PROTOBUF = /TestAllTypes|proto2|proto3|GlobalEnum|NestedEnum|google\.protobuf\.(?!Timestamp|Duration)/;
const cases = conformanceCases.filter((given) => !PROTOBUF.test(JSON.stringify(given.original)));

const environment = createEnvironment({
  libraries: [
    optionalsLibrary,
    bindingsLibrary,
    blocksLibrary,
    comprehensionsLibrary,
    stringsLibrary,
    mathLibrary,
    encodersLibrary,
    networkLibrary,
    { name: "enums", functions: [], constants: enumConstants },
  ],
  // `Value{null_value: …}` is the one message among the cases, and it is null.
  types: { ...protobufTypes, construct: (typeName, fields) => (typeName === "google.protobuf.Value" ? null : fields) },
  isPresenceStrict: true,
});

function environmentOf(given: Case): Environment {
  const { container = "" } = given.original;
  const variables = declaredVariables(given);
  const functions = declaredFunctions(given);
  return environment.extend({ container, variables, ...(functions.length === 0 ? {} : { libraries: [{ name: "case", functions }] }) });
}

/** The values of the data's bindings. */
function bindingsOf({ original }: Case): Readonly<Record<string, CelValue>> {
  // The JSON of `cel.expr.ExprValue`.
  const entries = Object.entries(original.bindings ?? {}).map(
    ([name, json]) => [name, parseProtobufValue((json as { value: unknown }).value)] as const,
  );
  return Object.fromEntries(entries);
}

/** What a case evaluates to; undefined when it does not compile. */
function evaluate(given: Case, backend: "source" | "closure"): CelValue | undefined {
  const compiled = environmentOf(given).compile(given.expression, { backend, checked: given.original.disableCheck !== true });
  return compiled.ok ? compiled.value.run(createFrame(bindingsOf(given), Number.POSITIVE_INFINITY)) : undefined;
}

function expectOutcome(given: Case, backend: "source" | "closure"): void {
  const { value, typedResult, evalError, checkOnly } = given.original;
  const typed = typedResult as { result?: unknown; deducedType?: DeclaredType } | undefined;
  if (typed?.deducedType !== undefined) {
    const compiled = environmentOf(given).compile(given.expression);
    expect(compiled.ok && formatType(compiled.value.checked.resultType)).toBe(formatType(parseDeclaredType(typed.deducedType)));
  }
  if (checkOnly === true) return;
  const outcome = evaluate(given, backend);
  if (evalError !== undefined) {
    // What the checker refuses is an error too.
    expect(outcome === undefined || outcome instanceof CelError, JSON.stringify(outcome)).toBe(true);
    return;
  }
  const expected = value ?? typed?.result;
  expect(outcome === undefined ? "does not compile" : typedValue(outcome)).toEqual(
    expected === undefined ? true : typedValue(parseProtobufValue(expected)),
  );
}

test("1,665 of the 2,344 cases need no protobuf messages", () => {
  expect(conformanceCases).toHaveLength(2344);
  expect(cases).toHaveLength(1665);
});

describe.each(["source", "closure"] as const)("the %s back end", (backend) => {
  test.each(cases)("$id", (given) => {
    expectConformance(given.id, () => expectOutcome(given, backend));
  });
});
