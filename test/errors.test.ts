/** ERRORS.md and the code name the same error codes. */
import { describe, expect, test } from "vitest";
import { GRPC_STATUS } from "../src/grpc/status.ts";
import { MODULES, readText } from "./source-tree.ts";

const rows = [...readText("ERRORS.md").matchAll(/^\| `?([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)`? \|(.*)\|(.*)\|$/gm)];
const documented = new Set(rows.map(([, code = ""]) => code));

/** A string literal is an error code when it stands where only codes stand, or begins like a documented one (`CEL_…`). */
const families = [...new Set([...documented].map((code) => code.split("_", 1)[0]))].join("|");
const CODE = /"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"/g;
const CODE_PLACE = /(?:\bcode: |\bnew \w*Error\()(?=")/.source;

function codesIn(text: string): readonly string[] {
  const unions = [...text.matchAll(/\btype \w*Code =([^;]*);/g)].flatMap(([, union = ""]) => [...union.matchAll(CODE)]);
  const places = [...text.matchAll(new RegExp(CODE_PLACE + CODE.source, "g"))];
  const relatives = families === "" ? [] : [...text.matchAll(new RegExp(`"((?:${families})(?:_[A-Z0-9]+)+)"`, "g"))];
  // Statuses of gRPC look like codes; their codes are in the union of `GrpcError`.
  return [...unions, ...places, ...relatives].map(([, code = ""]) => code).filter((code) => !(code in GRPC_STATUS));
}

const used = new Map(MODULES.flatMap((module) => codesIn(module.text).map((code) => [code, module.path] as const)));

describe("error codes", () => {
  test("every code in the sources is explained in ERRORS.md", () => {
    expect([...used].filter(([code]) => !documented.has(code))).toEqual([]);
  });

  test("every code in ERRORS.md exists in the sources", () => {
    expect([...documented].filter((code) => !used.has(code))).toEqual([]);
  });

  test("every row says what the code means and what to do, once", () => {
    expect(rows.filter(([, , meaning = "", advice = ""]) => meaning.trim() === "" || advice.trim() === "").map(([, code]) => code)).toEqual(
      [],
    );
    expect(rows).toHaveLength(documented.size);
  });
});
