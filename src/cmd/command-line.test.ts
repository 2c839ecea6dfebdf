import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CATALOGUE } from "./catalogue.ts";
import { type Command, defineCommand, EXIT } from "./command.ts";
import { parseCommandLine, usageLine } from "./command-line.ts";

const build = defineCommand({
  path: "house build",
  summary: "build a house",
  operands: [
    { name: "PLAN", summary: "what to build", arity: "one" },
    { name: "STONE", summary: "of what", arity: "any" },
  ],
  flags: {
    floors: { kind: "integer", value: "N", min: 1, max: 9, default: 2, summary: "how high" },
    roof: { kind: "choice", short: "r", choices: ["flat", "steep"], summary: "its shape" },
    within: { kind: "duration", value: "TIME", summary: "deadline" },
    window: { kind: "list", value: "SIDE", summary: "where light comes in" },
    name: { kind: "text", value: "NAME", summary: "how it is called" },
    dry: { kind: "boolean", summary: "only say what would be built" },
  },
  examples: [],
  run: () => EXIT.yes,
});
const sell = defineCommand({ path: "sell", summary: "sell it", operands: [], flags: {}, examples: [], run: () => EXIT.yes });
const catalogue: readonly Command[] = [build, sell];
const defaults = { floors: 2, roof: undefined, within: undefined, window: [], name: undefined, dry: false };

const parse = (line: string) => parseCommandLine(line.split(" ").filter(Boolean), catalogue);

describe("parseCommandLine", () => {
  test.each([
    ["house build plan", ["plan"], {}],
    ["house build plan a b", ["plan", "a", "b"], {}],
    ["house build --floors 3 plan", ["plan"], { floors: 3 }],
    ["house build --floors=3 plan --dry", ["plan"], { floors: 3, dry: true }],
    ["house build plan -r steep", ["plan"], { roof: "steep" }],
    ["house build plan -rsteep", ["plan"], { roof: "steep" }],
    ["house build plan --window s --window=e", ["plan"], { window: ["s", "e"] }],
    ["house build plan --within 1h30m", ["plan"], { within: 5_400_000 }],
    ["house build --name=a=b plan", ["plan"], { name: "a=b" }],
    ["house build --dry=false -", ["-"], {}],
    ["house build -1", ["-1"], {}],
    ["house build -- --floors", ["--floors"], {}],
  ])("reads `vigil %s`", (line, operands, flags) => {
    expect(parse(line)).toEqual({ ok: true, value: { kind: "run", command: build, operands, flags: { ...defaults, ...flags } } });
  });

  test.each([
    ["", []],
    ["help", []],
    ["--help", []],
    ["house --help", ["house"]],
    ["help house", ["house"]],
    ["help house build", build],
    ["house build --help", build],
    ["house build plan -h", build],
  ])("`vigil %s` asks for help", (line, about) => {
    expect(parse(line)).toEqual({ ok: true, value: { kind: "help", about } });
  });

  test.each([
    ["sel", "USAGE_UNKNOWN_COMMAND", "vigil sell"],
    ["hose build plan", "USAGE_UNKNOWN_COMMAND", "vigil house"],
    ["house biuld plan", "USAGE_UNKNOWN_COMMAND", "vigil house build"],
    ["house", "USAGE_UNKNOWN_COMMAND", "`build`"],
    ["zzzzzz", "USAGE_UNKNOWN_COMMAND", "vigil help"],
    ["--floors", "USAGE_UNKNOWN_COMMAND", "vigil help"],
    ["house build plan --flors 2", "USAGE_UNKNOWN_FLAG", "--floors"],
    ["house build plan --constructor=1", "USAGE_UNKNOWN_FLAG", "vigil help house build"],
    ["house build plan -x", "USAGE_UNKNOWN_FLAG", "--"],
    ["house build plan --floors", "USAGE_FLAG_VALUE", "how high"],
    ["house build plan --floors 10", "USAGE_FLAG_VALUE", "how high"],
    ["house build plan --floors 1.5", "USAGE_FLAG_VALUE", "how high"],
    ["house build plan --roof round", "USAGE_FLAG_VALUE", "its shape"],
    ["house build plan --within soon", "USAGE_FLAG_VALUE", "deadline"],
    ["house build plan --dry=yes", "USAGE_FLAG_VALUE", "only say"],
    ["house build", "USAGE_OPERANDS", "usage: vigil house build [flags] PLAN [STONE…]"],
    ["sell it", "USAGE_OPERANDS", "usage: vigil sell"],
  ])("refuses `vigil %s`", (line, code, hint) => {
    const parsed = parse(line);
    expect(parsed).toMatchObject({ ok: false, error: { code } });
    expect(parsed.ok ? "" : parsed.error.hint).toContain(hint);
  });

  test("answers any words, and never throws", () => {
    const words = fc.array(fc.oneof(fc.constantFrom("house", "build", "--floors", "--window", "-r", "--", "-h"), fc.string()), {
      maxLength: 8,
    });
    fc.assert(fc.property(words, (line) => void expect(parseCommandLine(line, catalogue).ok).toBeTypeOf("boolean")));
  });
});

describe("the catalogue", () => {
  test.each(CATALOGUE)("$path can be read: each example is a command line of it, each summary one clause", (command) => {
    expect(command.summary).toMatch(/^[a-z].*[^.]$/);
    for (const flag of Object.values(command.flags)) expect(flag.summary).toMatch(/^[^A-Z].*[^.]$/);
    expect(command.examples.length).toBeGreaterThan(0);
    for (const { line } of command.examples) expect(line).toContain(`vigil ${command.path}`);
    expect(usageLine(command)).toContain(command.path);
  });

  test("no two flags of a command share a letter", () => {
    for (const { path, flags } of CATALOGUE) {
      const letters = Object.values(flags).flatMap(({ short }) => short ?? []);
      expect(new Set(letters).size, path).toBe(letters.length);
    }
  });
});
