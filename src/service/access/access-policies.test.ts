import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { openAccessPolicies, parseAccessPolicies } from "./access-policies.ts";

const ROLE = `
apiVersion: vigil.dev/v1alpha1
kind: AccessRole
metadata: { name: nurse }
spec: { grants: [{ permissions: ["patient:read"], scope: own, by: department }] }
`;
const assigned = (user: string): string => `
apiVersion: vigil.dev/v1alpha1
kind: RoleAssignment
metadata: { name: ward }
spec: { users: [${user}], roles: [nurse], attributes: { department: surgery } }
`;

test("handlers ask for roles as conditions do", () => {
  const policies = parseAccessPolicies(`${ROLE}---${assigned("alice")}`);
  expect(policies.can("alice", "patient:read", { department: "surgery" })).toBe(true);
  expect(policies.can({ sub: "alice" }, "patient:read", { department: ["x", "surgery"] })).toBe(true);
  expect(policies.can({ sub: "bob", department: "surgery" }, "patient:read", { department: "surgery" })).toBe(false);
  expect(policies.can("alice", "patient:read", { department: "cardiology" })).toBe(false);
  expect(policies.can("alice", "patient:read")).toBe(false);
  expect(policies.can({ sub: undefined, groups: 7 }, "patient:read", { department: null })).toBe(false);
});

test("who has a role changes with its file, without a restart; a role that is not there changes nothing", async () => {
  const folder = mkdtempSync(join(tmpdir(), "vigil-roles-"));
  const ending = new AbortController();
  const problems: string[] = [];
  try {
    writeFileSync(join(folder, "role.yaml"), ROLE);
    writeFileSync(join(folder, "ward.yaml"), assigned("alice"));
    const policies = await openAccessPolicies([folder], { signal: ending.signal, onProblem: ({ message }) => void problems.push(message) });
    const mayRead = (user: string): boolean => policies.can(user, "patient:read", { department: "surgery" });
    expect([mayRead("alice"), mayRead("bob")]).toEqual([true, false]);
    writeFileSync(join(folder, "ward.yaml"), assigned("bob"));
    await vi.waitFor(() => expect([mayRead("alice"), mayRead("bob")]).toEqual([false, true]), { timeout: 20_000 });
    writeFileSync(join(folder, "ward.yaml"), assigned("carol").replace("[nurse]", "[nurze]"));
    await vi.waitFor(() => expect(problems.join()).toContain("there is no role `nurze`"), { timeout: 20_000 });
    expect(mayRead("bob")).toBe(true);
  } finally {
    ending.abort();
    rmSync(folder, { recursive: true });
  }
});
