/** Roles as they are asked: by user, group and permission. Immutable; a change of the data makes a new one. */
import type { Diagnostic } from "../../lib/diagnostic.ts";
import type { AccessResource } from "../../resource/access-resource.ts";
import type { AccessRole, GrantScope, RoleAssignment } from "../../resource/access-role.ts";
import { diagnose, type Path } from "../../resource/document.ts";

/** Codes of what is wrong with roles as a whole; each is a row in ERRORS.md. */
export type RoleErrorCode = "ACCESS_ROLE_UNKNOWN" | "ACCESS_ROLE_DUPLICATE";

/** Who asks. */
export interface RoleSubject {
  /** Empty: nobody in particular. */
  readonly user: string;
  readonly groups: readonly string[];
  /** What is said of who asks: values by the name of the attribute. */
  readonly attributes: ReadonlyMap<string, readonly string[]>;
}

/** What is asked about. */
export interface RoleResource {
  readonly isPublic: boolean;
  readonly attributes: ReadonlyMap<string, readonly string[]>;
}

interface CompiledRole {
  readonly exact: ReadonlyMap<string, readonly GrantScope[]>;
  /** By what stands before `*`: `user:`, or nothing. */
  readonly beginnings: ReadonlyMap<string, readonly GrantScope[]>;
}

interface Held {
  readonly role: string;
  readonly assignment: RoleAssignment;
}

export class RoleTable {
  readonly #roles = new Map<string, CompiledRole>();
  readonly #byUser = new Map<string, Held[]>();
  readonly #byGroup = new Map<string, Held[]>();
  /** What is wrong: roles that are not there grant nothing. */
  readonly diagnostics: readonly Diagnostic[];

  constructor(roles: readonly AccessRole[], assignments: readonly RoleAssignment[]) {
    const problems: Diagnostic[] = [];
    const byName = new Map<string, AccessRole>();
    for (const role of roles) {
      const { name } = role.metadata;
      if (!byName.has(name)) byName.set(name, role);
      else
        problems.push(
          problem(role, ["metadata", "name"], "ACCESS_ROLE_DUPLICATE", `there are two roles \`${name}\``, "the first one counts"),
        );
    }
    const known = (name: string, at: AccessRole | RoleAssignment, path: Path): AccessRole | undefined => {
      const found = byName.get(name);
      if (found === undefined) problems.push(problem(at, path, "ACCESS_ROLE_UNKNOWN", `there is no role \`${name}\``, "it grants nothing"));
      return found;
    };
    for (const role of byName.values()) this.#roles.set(role.metadata.name, compileRole(withIncluded(role, known)));
    for (const assignment of assignments) {
      for (const [index, name] of assignment.roles.entries()) {
        if (known(name, assignment, ["spec", "roles", index]) === undefined) continue;
        const held = { role: name, assignment };
        for (const user of assignment.users) push(this.#byUser, user, held);
        for (const group of assignment.groups) push(this.#byGroup, group, held);
      }
    }
    this.diagnostics = problems;
  }

  /** Whether some role of the subject grants a permission on a resource; without one, only what is granted everywhere counts. */
  can(subject: RoleSubject, permission: string, resource: RoleResource | undefined, nowMs: number): boolean {
    if (permission === "" || permission.includes("*")) return false;
    for (const { role, assignment } of this.#heldBy(subject, nowMs)) {
      const compiled = this.#roles.get(role);
      if (compiled?.exact.get(permission)?.some((scope) => reaches(scope, subject, assignment, resource)) === true) return true;
      if (compiled === undefined || compiled.beginnings.size === 0) continue;
      for (let end = permission.length; end !== -1; end = permission.lastIndexOf(":", end - 1)) {
        const beginning = end === permission.length ? "" : permission.slice(0, end + 1);
        if (compiled.beginnings.get(beginning)?.some((scope) => reaches(scope, subject, assignment, resource)) === true) return true;
        if (end === 0) break;
      }
    }
    return false;
  }

  /** Names of the subject's roles, each once, in the order of the assignments. */
  rolesOf(subject: RoleSubject, nowMs: number): readonly string[] {
    return [...new Set([...this.#heldBy(subject, nowMs)].map(({ role }) => role))];
  }

  *#heldBy({ user, groups }: RoleSubject, nowMs: number): Generator<Held, void> {
    const isInForce = ({ assignment: { expiresAtMs } }: Held): boolean => expiresAtMs === undefined || nowMs < expiresAtMs;
    if (user !== "") for (const held of this.#byUser.get(user) ?? []) if (isInForce(held)) yield held;
    for (const group of groups) for (const held of this.#byGroup.get(group) ?? []) if (isInForce(held)) yield held;
  }
}

export const NO_ROLES: RoleTable = new RoleTable([], []);

/** The table of the same resources is made once. */
let last: { readonly resources: readonly AccessResource[]; readonly table: RoleTable } = { resources: [], table: NO_ROLES };

/** Roles and assignments among resources, as a table. */
export function roleTableOf(resources: readonly AccessResource[]): RoleTable {
  const own = resources.filter(({ kind }) => kind === "AccessRole" || kind === "RoleAssignment");
  if (own.length === last.resources.length && own.every((resource, index) => resource === last.resources[index])) return last.table;
  const table = new RoleTable(
    own.flatMap((resource) => (resource.kind === "AccessRole" ? [resource] : [])),
    own.flatMap((resource) => (resource.kind === "RoleAssignment" ? [resource] : [])),
  );
  last = { resources: own, table };
  return table;
}

const problem = (at: AccessRole | RoleAssignment, path: Path, code: RoleErrorCode, message: string, hint: string): Diagnostic =>
  diagnose(at.document, path, { code, message, hint });

/** The role and those that it includes, each once; a circle ends where it began. */
function withIncluded(
  role: AccessRole,
  known: (name: string, at: AccessRole, path: Path) => AccessRole | undefined,
): readonly AccessRole[] {
  const found = new Set<AccessRole>([role]);
  // A set may grow while it is gone through.
  for (const each of found) {
    for (const [index, name] of each.includes.entries()) {
      const included = known(name, each, ["spec", "includes", index]);
      if (included !== undefined) found.add(included);
    }
  }
  return [...found];
}

function compileRole(parts: readonly AccessRole[]): CompiledRole {
  const exact = new Map<string, GrantScope[]>();
  const beginnings = new Map<string, GrantScope[]>();
  for (const { permissions, scope } of parts.flatMap(({ grants }) => grants)) {
    for (const permission of permissions) {
      if (permission.endsWith("*")) push(beginnings, permission.slice(0, -1), scope);
      else push(exact, permission, scope);
    }
  }
  return { exact, beginnings };
}

function push<V>(map: Map<string, V[]>, key: string, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

function reaches(scope: GrantScope, subject: RoleSubject, { attributes }: RoleAssignment, resource: RoleResource | undefined): boolean {
  switch (scope.kind) {
    case "global":
      return true;
    case "public":
      return resource?.isPublic === true;
    case "own": {
      const { attribute } = scope;
      const assigned = Object.hasOwn(attributes, attribute) ? attributes[attribute] : undefined;
      const own = subject.attributes.get(attribute) ?? [];
      // What is empty belongs to nobody.
      return resource?.attributes.get(attribute)?.some((value) => value !== "" && (value === assigned || own.includes(value))) === true;
    }
    default:
      return scope satisfies never;
  }
}
