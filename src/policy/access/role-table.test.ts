import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { accessResources, accessSet, call, workload } from "../../../test/access-fixture.ts";
import { compileAccessSet } from "./access-set.ts";
import { CompiledAccess } from "./compiled-access.ts";
import { decideAccess, decideAtLayer } from "./decide-access.ts";
import { roleTableOf } from "./role-table.ts";

const ROLES = `
apiVersion: vigil.dev/v1alpha1
kind: AccessRole
metadata: { name: staff }
spec:
  grants:
    - { permissions: ["notice:read"], scope: public }
---
apiVersion: vigil.dev/v1alpha1
kind: AccessRole
metadata: { name: nurse }
spec:
  includes: [staff]
  grants:
    - { permissions: ["patient:read", "vitals:*"], scope: own, by: department }
---
apiVersion: vigil.dev/v1alpha1
kind: AccessRole
metadata: { name: admin }
spec: { grants: [{ permissions: ["*"], scope: global }] }
---
apiVersion: vigil.dev/v1alpha1
kind: RoleAssignment
metadata: { name: ward-3 }
spec: { users: [alice], groups: [ward-3], roles: [nurse], attributes: { department: surgery } }
---
apiVersion: vigil.dev/v1alpha1
kind: RoleAssignment
metadata: { name: on-call }
spec: { users: [bob], roles: [admin], expiresAt: 2026-01-01T00:00:00Z }
`;
const NOW = Date.parse("2025-06-01T00:00:00Z");

const policy = (when: string): string => `
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: records, namespace: shop }
spec:
  from: [{ entity: any }]
  to: [{ workload: records }]
  when: ${JSON.stringify(when)}
`;

const asked = (claims: { readonly [name: string]: unknown }): ReturnType<typeof call> =>
  call({
    source: workload("front"),
    destination: workload("records"),
    claims,
    request: { method: "GET", params: { department: "surgery" } },
  });

function verdict(when: string, claims: { readonly [name: string]: unknown }, nowMs: number = NOW): string {
  const set = accessSet(`${ROLES}---${policy(when)}`);
  const reference = decideAccess(set, asked(claims), { nowMs }).verdict;
  expect(new CompiledAccess(set).decide(asked(claims), nowMs).verdict).toBe(reference);
  return reference;
}

const OWN = 'roles.can(claims, "patient:read", {"department": request.params.department})';

describe("a condition that asks for a role", () => {
  test.each([
    ["a user by name", { sub: "alice" }, "allow"],
    ["a group", { sub: "carol", groups: ["ward-3"] }, "allow"],
    ["somebody else", { sub: "carol", groups: ["ward-4"] }, "deny"],
    ["nobody", {}, "deny"],
    ["an administrator of before", { sub: "bob" }, "allow"],
    ["a user whose name is a list", { sub: ["alice"] }, "deny"],
    ["a user whose name is a number", { sub: 7 }, "deny"],
  ])("%s", (_name, claims, expected) => {
    expect(verdict(OWN, claims)).toBe(expected);
  });

  test("an assignment ends", () => {
    expect(verdict(OWN, { sub: "bob" }, Date.parse("2026-01-01T00:00:00Z"))).toBe("deny");
  });

  test.each([
    ['roles.can("alice", "patient:read", {"department": "cardiology"})', "deny"],
    ['roles.can("alice", "patient:read", {"department": ["cardiology", "surgery"]})', "allow"],
    ['roles.can("alice", "patient:read")', "deny"],
    ['roles.can("alice", "patient:read", {})', "deny"],
    ['roles.can("alice", "patient:read", {"department": ""})', "deny"],
    ['roles.can("alice", "vitals:write:all", {"department": "surgery"})', "allow"],
    ['roles.can("alice", "vitals", {"department": "surgery"})', "deny"],
    ['roles.can("alice", "*", {"department": "surgery"})', "deny"],
    ['roles.can("alice", "notice:read", {"public": true})', "allow"],
    ['roles.can("alice", "notice:read", {"public": "true"})', "deny"],
    ['roles.can("bob", "anything:at:all")', "allow"],
    ['roles.can({"sub": "alice", "department": "cardiology"}, "patient:read", {"department": "cardiology"})', "allow"],
    ['"staff" in roles.of("alice")', "deny"],
    ['"nurse" in roles.of("alice")', "allow"],
    ['roles.can("__proto__", "patient:read") || roles.can(claims, "constructor")', "deny"],
    ['roles.can(claims, "patient:read", {"__proto__": {"public": true}})', "deny"],
  ])("%s: %s", (when, expected) => {
    expect(verdict(when, { sub: "dora" })).toBe(expected);
  });

  test.each(['roles.can(1, "a")', "roles.can(claims, 1)", 'roles.can(claims.sub, "a", "b")'])("%s is a mistake or denies", (when) => {
    const { set, diagnostics } = compileAccessSet(accessResources(policy(when)));
    expect(diagnostics.length > 0 || decideAccess(set, asked({ sub: "alice" }), { nowMs: NOW }).verdict === "deny").toBe(true);
  });

  test("is left to the process by the layers below", () => {
    const set = accessSet(`${ROLES}---${policy(OWN)}`);
    for (const [layer, present] of [
      ["kernel", ["kernel", "proxy", "process"]],
      ["proxy", ["kernel", "proxy", "process"]],
      ["process", ["kernel", "process"]],
    ] as const) {
      const verdictOf = (claims: { readonly [name: string]: unknown }): string =>
        decideAtLayer(set, asked(claims), layer, present, { nowMs: NOW }).verdict;
      expect(verdictOf({ sub: "alice" })).toBe("allow");
      expect(verdictOf({ sub: "carol" })).toBe(layer === "process" ? "deny" : "allow");
    }
  });
});

test("changed data is another set, and rules that did not change stay the same objects", () => {
  const [own, ...roles] = accessResources(`${policy(OWN)}---${ROLES}`);
  if (own === undefined) return expect.fail("no policy");
  const before = compileAccessSet([own, ...roles]).set;
  const fewer = roles.filter(({ metadata }) => metadata.name !== "ward-3");
  const after = compileAccessSet([own, ...fewer]).set;
  expect(decideAccess(before, asked({ sub: "alice" }), { nowMs: NOW }).verdict).toBe("allow");
  expect(decideAccess(after, asked({ sub: "alice" }), { nowMs: NOW }).verdict).toBe("deny");
  expect(after.rules.ingress.access[0]).toBe(before.rules.ingress.access[0]);
  expect(compileAccessSet([own, ...fewer]).set.roles).toBe(after.roles);
});

test("roles that are not there and roles that are there twice are named", () => {
  const text = `${ROLES}---
apiVersion: vigil.dev/v1alpha1
kind: RoleAssignment
metadata: { name: typo }
spec: { users: [eve], roles: [nurze] }
---
apiVersion: vigil.dev/v1alpha1
kind: AccessRole
metadata: { name: nurse, namespace: other }
spec: { includes: [nobody] }
---
apiVersion: vigil.dev/v1alpha1
kind: AccessRole
metadata: { name: circle }
spec: { includes: [circle, nowhere] }`;
  const { set, diagnostics } = compileAccessSet(accessResources(text));
  expect(diagnostics.map(({ code, message }) => `${code} ${message}`)).toEqual([
    "ACCESS_ROLE_UNKNOWN there is no role `nurze`",
    "ACCESS_ROLE_DUPLICATE there are two roles `nurse`",
    "ACCESS_ROLE_UNKNOWN there is no role `nowhere`",
  ]);
  expect(set.roles.can({ user: "eve", groups: [], attributes: new Map() }, "patient:read", undefined, NOW)).toBe(false);
});

test("a table says what going through all grants says", () => {
  const segment = fc.constantFrom("a", "b", "c");
  const permission = fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(":"));
  const granted = fc.oneof(
    permission,
    permission.map((text) => `${text}:*`),
    fc.constant("*"),
  );
  const scope = fc.constantFrom("global", "public", "own");
  fc.assert(
    fc.property(
      fc.array(fc.tuple(granted, scope), { minLength: 1, maxLength: 4 }),
      permission,
      fc.boolean(),
      segment,
      (grants, wanted, isPublic, department) => {
        const spec = {
          grants: grants.map(([text, kind]) => ({ permissions: [text], scope: kind, ...(kind === "own" ? { by: "department" } : {}) })),
        };
        const resources = accessResources(
          [
            { apiVersion: "vigil.dev/v1alpha1", kind: "AccessRole", metadata: { name: "r" }, spec },
            {
              apiVersion: "vigil.dev/v1alpha1",
              kind: "RoleAssignment",
              metadata: { name: "x" },
              spec: { users: ["u"], roles: ["r"], attributes: { department: "a" } },
            },
          ]
            .map((resource) => JSON.stringify(resource))
            .join("\n---\n"),
        );
        const fits = (text: string): boolean =>
          text === "*" || text === wanted || (text.endsWith(":*") && wanted.startsWith(text.slice(0, -1)));
        const expected = grants.some(
          ([text, kind]) => fits(text) && (kind === "global" || (kind === "public" ? isPublic : department === "a")),
        );
        const resource = { isPublic, attributes: new Map([["department", [department]]]) };
        const subject = { user: "u", groups: [], attributes: new Map<string, readonly string[]>() };
        expect(roleTableOf(resources).can(subject, wanted, resource, NOW)).toBe(expected);
      },
    ),
  );
});
