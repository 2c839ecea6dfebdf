import { describe, expect, test } from "vitest";
import { createEnvironment } from "../environment.ts";
import { createFrame } from "../frame.ts";
import { type CelType, formatType } from "../type.ts";
import { CelDouble, CelDuration, CelError, CelTimestamp, CelTypeValue, CelUint, type CelValue } from "../value.ts";
import { standardLibrary } from "./library.ts";

const overloads = standardLibrary.functions.flatMap(({ name, overloads: all }) => all.map((overload) => ({ name, overload })));

/** Two values of each type that overloads take. */
function samples(type: CelType): readonly CelValue[] {
  switch (type.kind) {
    case "bool":
      return [true, false];
    case "int":
      return [7, -3];
    case "uint":
      return [new CelUint(7n), new CelUint(2n)];
    case "double":
      return [1.5, new CelDouble(2)];
    case "string":
      return ["ab", "1"];
    case "bytes":
      return [new Uint8Array([97]), new Uint8Array([98, 99])];
    case "timestamp":
      return [new CelTimestamp(86_400, 5), new CelTimestamp(100, 0)];
    case "duration":
      return [new CelDuration(90, 0), new CelDuration(-1, -5)];
    case "list":
      return [[1, 2], [3]];
    case "map":
      return [{ ab: 1 }, { "1": 2 }];
    case "type":
      return [new CelTypeValue({ kind: "int" })];
    default:
      return [1, "ab"];
  }
}

const plain = (value: CelValue): unknown => (value instanceof CelError ? value.code : value);

describe("the standard library", () => {
  test("has an id of its own for every overload", () => {
    const ids = overloads.map(({ overload }) => overload.id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("has a description for every function", () => {
    expect(standardLibrary.functions.filter(({ description }) => description === undefined)).toEqual([]);
  });

  // Back ends compile operators themselves: what they do must be what the declared overload does.
  test.each(overloads)("$name by overload $overload.id is what both back ends compute", ({ name, overload }) => {
    const { args, isMember } = overload;
    const variables = Object.fromEntries(
      args.map((type, index) => [`x${index}`, type.kind === "param" ? ({ kind: "dyn" } as const) : type]),
    );
    const names = Object.keys(variables);
    const call = isMember ? `${names[0]}.${name}(${names.slice(1).join(", ")})` : `${name}(${names.join(", ")})`;
    const [a = "", b = "", c = ""] = names;
    const operators: Readonly<Record<string, string>> = {
      "_[_]": `${a}[${b}]`,
      "@in": `${a} in ${b}`,
      "_?_:_": `${a} ? ${b} : ${c}`,
      "!_": `!${a}`,
      "-_": `-${a}`,
    };
    const operator = /^_(\S+)_$/.exec(name)?.[1];
    const expression = operators[name] ?? (operator === undefined ? call : `${a} ${operator} ${b}`);
    for (const pick of [0, 1, 2, 3]) {
      const values = args.map((type, index) => samples(type)[(pick >> index) & 1] ?? samples(type)[0] ?? null);
      const expected = plain(overload.call(...values));
      for (const backend of ["source", "closure"] as const) {
        const compiled = createEnvironment({ variables }).compile(expression, { backend });
        if (!compiled.ok) throw new Error(`${expression}: ${compiled.error[0]?.message}`);
        const frame = createFrame(Object.fromEntries(names.map((variable, index) => [variable, values[index] ?? null])));
        expect(plain(compiled.value.run(frame)), `${expression} of ${args.map(formatType).join(", ")}`).toEqual(expected);
      }
    }
  });
});
