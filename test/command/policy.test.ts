import { describe, expect, test } from "vitest";
import { vigil } from "./run-vigil.ts";

describe("vigil policy lint", () => {
  test("finds nothing wrong with the built-in packs", () => {
    const { status, stdout } = vigil(["policy", "lint"]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^\d+ policies: 0 errors, 0 warnings\n$/);
  });

  test("cannot judge what it cannot read", () => {
    const { status, stderr } = vigil(["policy", "lint", "no-such-policies"]);
    expect(status).toBe(2);
    expect(stderr).toContain("no-such-policies");
  });
});

describe("vigil policy bench", () => {
  test("counts an object once for each policy, however many of its rules it breaks", () => {
    const { status, stdout } = vigil(["policy", "bench", "examples/deny-privileged.json", "--rounds", "2", "-o", "json"]);
    expect(status).toBe(0);
    const { objects, policies } = JSON.parse(stdout);
    expect(objects).toBe(1);
    expect(policies.map(({ matched }: { matched: number }) => matched)).toEqual(policies.map(() => 1));
  });
});

test("vigil policy explain tells where each part of an access policy's condition is decided", () => {
  const { status, stdout } = vigil(["policy", "explain", "shop/payments", "-p", "test/data/access"]);
  expect(status).toBe(0);
  expect(stdout).toContain("from     workload orders in shop");
  expect(stdout.match(/decided by the .*/g)).toEqual([
    "decided by the kernel",
    "decided by the proxy: the kernel does not see `request.method`",
    "decided by the process: the proxy does not see `tenant`",
  ]);
});
