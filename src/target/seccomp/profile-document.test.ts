import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeJson } from "../../lib/json.ts";
import { SYSCALL_NAMES } from "../../linux/syscall-numbers.ts";
import { alternativeKey, PATH_ACCESSES, type Profile, REASONS, sortReasons } from "./profile.ts";
import { profileDocument, readProfile } from "./profile-document.ts";

const byText = <T>(items: readonly T[], key: (item: T) => string): readonly T[] =>
  items.toSorted((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));

const condition = fc
  .tuple(fc.integer({ min: 0, max: 5 }), fc.bigInt(0n, (1n << 64n) - 1n), fc.bigInt(0n, (1n << 64n) - 1n))
  .map(([argument, mask, value]) => ({ argument, mask, value: value & mask }));
const alternative = fc
  .uniqueArray(condition, { minLength: 1, maxLength: 3, selector: ({ argument }) => argument })
  .map((conditions) => conditions.toSorted((a, b) => a.argument - b.argument));
const some = <T>(items: readonly T[]): fc.Arbitrary<readonly T[]> => fc.subarray([...items], { minLength: 1 });
const port = fc.integer({ min: 1, max: 65_535 });
const ports = fc.uniqueArray(port, { maxLength: 4 }).map((list) => list.toSorted((a, b) => a - b));
const path = fc
  .array(
    fc.string({ unit: "grapheme-composite", minLength: 1, maxLength: 8 }).map((step) => `x${step.replaceAll(/[/\0]/g, "")}`),
    {
      maxLength: 4,
    },
  )
  .map((steps) => `/${steps.join("/")}`);

const profiles: fc.Arbitrary<Profile> = fc.record({
  name: fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/),
  architectures: some(["arm64", "x64"] as const),
  calls: fc
    .uniqueArray(
      fc.record({
        name: fc.constantFrom(...SYSCALL_NAMES),
        reasons: some(REASONS).map(sortReasons),
        alternatives: fc.uniqueArray(alternative, { maxLength: 3, selector: alternativeKey }),
      }),
      { selector: ({ name }) => name, maxLength: 20 },
    )
    .map((calls) => byText(calls, ({ name }) => name)),
  capabilities: fc.subarray(["chown", "kill", "net_bind_service", "bpf"]).map((names) => names.toSorted()),
  paths: fc
    .uniqueArray(fc.record({ path, access: some(PATH_ACCESSES), isDirectory: fc.boolean() }), { selector: (use) => use.path, maxLength: 5 })
    .map((uses) => byText(uses, (use) => use.path)),
  network: fc.record({ connect: ports, bind: ports }),
  recordings: fc.array(
    fc.record({
      subject: fc.string({ maxLength: 20 }),
      recorder: fc.constantFrom("tracepoint", "notify", "static" as const),
      kernel: fc.constant("6.18.0"),
      durationMs: fc.nat(),
      lastNewMs: fc.nat(),
      calls: fc.nat(500),
    }),
    { maxLength: 3 },
  ),
});

const read = (text: string): ReturnType<typeof readProfile> => readProfile(Buffer.from(text), "p.json");

test("what is written is read back as it was", () => {
  fc.assert(
    fc.property(profiles, (profile) => {
      expect(read(encodeJson(profileDocument(profile)))).toEqual({ ok: true, value: profile });
    }),
    { numRuns: 200 },
  );
});

describe("a profile is refused, at the place of the mistake,", () => {
  const document = (calls: string): string =>
    `apiVersion: vigil.dev/v1alpha1\nkind: Profile\nmetadata: {name: x}\nspec:\n  architectures: [x64]\n  recordings: []\n  calls:\n${calls}`;
  test.each([
    ["  - {name: opennat, reasons: [seen]}", "unknown system call `opennat`", 8],
    ["  - {name: read, reasons: [seen]}\n  - {name: read, reasons: [seen]}", "duplicate `read` in `spec.calls`", 9],
    ["  - {name: read, reasons: [guessed]}", "to be `start-up`", 8],
    ['  - {name: read, reasons: [seen], alternatives: [[{argument: 0, value: "12"}]]}', "to be a number like `0x1f`", 8],
    ['  - {name: read, reasons: [seen], alternatives: [[{argument: 0, mask: "0x1", value: "0x2"}]]}', "has bits that its mask hides", 8],
    ['  - {name: read, reasons: [seen], alternatives: [[{argument: 6, value: "0x2"}]]}', "to be from 0 to 5", 8],
    [
      '  - {name: read, reasons: [seen], alternatives: [[{argument: 1, value: "0x2"}, {argument: 1, value: "0x3"}]]}',
      "duplicate `1` in",
      8,
    ],
  ])("for %s", (calls, message, line) => {
    const result = read(document(calls));
    expect(result.ok ? [] : result.error.map((each) => [each.message.includes(message), each.line])).toEqual([[true, line]]);
  });

  test("when the text holds none, or two", () => {
    const codes = (text: string): readonly string[] => {
      const result = read(text);
      return result.ok ? [] : result.error.map(({ code }) => code);
    };
    expect(codes("")).toEqual(["PROFILE_COUNT"]);
    const one = document("  - {name: read, reasons: [seen]}\n");
    expect(codes(`${one}---\n${one}`)).toEqual(["PROFILE_COUNT"]);
  });
});
