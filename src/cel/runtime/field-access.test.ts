import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { INT } from "../type.ts";
import {
  CelDouble,
  CelDuration,
  CelError,
  CelMap,
  CelOptional,
  CelTimestamp,
  CelTypeValue,
  CelUint,
  type CelValue,
  NONE,
} from "../value.ts";
import { accessTo, readDirect } from "./field-access.ts";

const VALUES: readonly CelValue[] = [
  null,
  true,
  1,
  1n,
  "text",
  [],
  [1],
  {},
  new Uint8Array(1),
  new CelDouble(1),
  new CelUint(1n),
  new CelTimestamp(0, 0),
  new CelDuration(0, 0),
  NONE,
  new CelOptional(true, {}),
  new CelTypeValue(INT),
  new CelMap(new Map()),
  new CelError("CEL_OVERFLOW", ""),
];

describe("accessTo", () => {
  test.each(["spec", "metadata", "app.kubernetes.io/name", "a-b", "0x", "kind"])("%s is direct: no value has it but maps", (name) => {
    expect(accessTo(name)).toBe("direct");
    expect(VALUES.map((value) => readDirect(value, name))).toEqual(VALUES.map(() => undefined));
    expect(readDirect({ [name]: 1 }, name)).toBe(1);
  });

  test.each(["length", "type", "value", "name", "map", "seconds", "message", "keys"])("%s is read from plain objects only", (name) => {
    expect(accessTo(name)).toBe("plain");
    expect(readDirect({}, name)).toBeUndefined();
  });

  test.each(["__proto__", "constructor", "toString", "hasOwnProperty", "0", "12", ""])("%j is read as an own property only", (name) => {
    expect(accessTo(name)).toBe("own");
  });
});

test("CLASS_FIELDS has every field of the classes of values and of the extension types", () => {
  const folder = join(import.meta.dirname, "..");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(
    (file) => file.endsWith(".ts") && !file.endsWith(".test.ts"),
  );
  const fields: string[] = [];
  for (const file of files) {
    const text = readFileSync(join(folder, file), "utf8");
    if (file !== "value.ts" && !/extends (CelOpaque|Handle)\b/.test(text)) continue;
    for (const [, body = ""] of text.matchAll(/class \w+[^{]*\{([\s\S]*?)\n\}/g)) {
      for (const [, field = ""] of body.matchAll(/^ {2}(?:abstract |override |readonly )*(\w+)\??(?=[:(])/gm)) fields.push(field);
    }
  }
  expect(fields.length).toBeGreaterThan(20);
  expect(fields.filter((field) => accessTo(field) === "direct")).toEqual([]);
});
