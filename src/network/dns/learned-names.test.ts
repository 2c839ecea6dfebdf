import { describe, expect, test } from "vitest";
import { LearnedNames } from "./learned-names.ts";

const at = (last: number): Uint8Array => Uint8Array.of(192, 0, 2, last);
const answer = (last: number, untilMs: number): { readonly address: Uint8Array; readonly untilMs: number } => ({
  address: at(last),
  untilMs,
});
const LIMITS = { namesPerWorkload: 2, addresses: 4, addressesPerName: 3 };
const nobody = (): ReadonlySet<string> => new Set();

test("an address has the names that it was told for, each until its time", () => {
  const names = new LearnedNames();
  expect(names.learn("w", "a.test", [answer(1, 100)])).toEqual([{ address: at(1), names: ["a.test"] }]);
  expect(names.learn("w", "b.test", [answer(1, 200)])).toEqual([{ address: at(1), names: ["a.test", "b.test"] }]);
  // What is known already changes nothing but the time.
  expect(names.learn("w", "a.test", [answer(1, 150)])).toEqual([]);
  expect(names.expire(100, nobody).changed).toEqual([]);
  expect(names.expire(150, nobody).changed).toEqual([{ address: at(1), names: ["b.test"] }]);
  expect(names.expire(200, nobody).changed).toEqual([{ address: at(1), names: [] }]);
  expect(names.size).toBe(0);
});

test("a shorter time never takes away what was told before", () => {
  const names = new LearnedNames();
  names.learn("w", "a.test", [answer(1, 200)]);
  names.learn("w", "a.test", [answer(1, 100)]);
  expect(names.expire(150, nobody).changed).toEqual([]);
});

test("what is in use is kept, and looked at again later", () => {
  const names = new LearnedNames();
  names.learn("w", "a.test", [answer(1, 100)]);
  const { changed, kept } = names.expire(100, () => new Set(["192.0.2.1"]));
  expect(changed).toEqual([]);
  expect(kept).toEqual([{ name: "a.test", address: at(1), untilMs: 30_100 }]);
  expect(
    names.expire(30_099, () => {
      throw new Error("asked too early");
    }).kept,
  ).toEqual([]);
  expect(names.expire(30_100, nobody).changed).toEqual([{ address: at(1), names: [] }]);
});

describe("limits", () => {
  test("of names are each workload's own, and given back when a name is forgotten", () => {
    const names = new LearnedNames(LIMITS);
    names.learn("w", "a.test", [answer(1, 100)]);
    names.learn("w", "b.test", [answer(2, 200)]);
    expect(names.learn("w", "c.test", [answer(3, 200)])).toBe("namesPerWorkload");
    expect(names.learn("w", "b.test", [answer(2, 300)])).toEqual([]);
    expect(names.learn("v", "c.test", [answer(3, 200)])).toEqual([{ address: at(3), names: ["c.test"] }]);
    names.expire(100, nobody);
    expect(names.learn("w", "c.test", [answer(3, 200)])).toEqual([]);
  });

  test("of addresses count those of one name, and all", () => {
    const names = new LearnedNames(LIMITS);
    expect(
      names.learn(
        "w",
        "a.test",
        [1, 2, 3, 4].map((last) => answer(last, 100)),
      ),
    ).toBe("addressesPerName");
    expect(names.size).toBe(0);
    names.learn(
      "w",
      "a.test",
      [1, 2, 3].map((last) => answer(last, 100)),
    );
    expect(names.learn("w", "a.test", [answer(4, 100)])).toBe("addressesPerName");
    expect(names.learn("w", "b.test", [answer(4, 100), answer(5, 100)])).toBe("addresses");
    expect(names.learn("w", "b.test", [answer(1, 100), answer(4, 100)])).toHaveLength(2);
  });
});
