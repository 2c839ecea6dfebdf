/** `roles` in conditions: `roles.can(claims, "user:read", {"department": request.params.department})`. */
import type { FunctionDeclaration, Library } from "../../cel/declaration.ts";
import { declare, dyn, fail, type MapValue, map, method, opaque, type Parameter, string } from "../../cel/library/define.ts";
import { Handle } from "../../cel/library/handle.ts";
import { BOOL, type CelType, listType, opaqueType, STRING } from "../../cel/type.ts";
import { CelMap, type CelValue } from "../../cel/value.ts";
import type { RoleResource, RoleSubject, RoleTable } from "./role-table.ts";

/** A table at a moment: assignments end. */
export interface RolesNow {
  readonly table: RoleTable;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
}

type RolesValue = Handle<RolesNow>;

export const ROLES: CelType = opaqueType("vigil.Roles");
const roles: Parameter<RolesValue> = opaque(ROLES);

export const rolesValue = (now: RolesNow): CelValue => new Handle(ROLES, now);

/**
 * A text is the name of a user; a map, such as `claims`, has it as `sub`, groups as `groups`, and attributes by their names. Undefined for what
 * is neither.
 */
export function roleSubjectOf(value: CelValue): RoleSubject | undefined {
  if (typeof value === "string") return { user: value, groups: [], attributes: new Map() };
  const entries = entriesOf(value);
  if (entries === undefined) return undefined;
  const attributes = attributesOf(entries);
  const user = entries.find(([name]) => name === "sub")?.[1];
  return { user: typeof user === "string" ? user : "", groups: attributes.get("groups") ?? [], attributes };
}

/** What a map says of a resource: its attributes, and whether it is `public`. */
export const roleResourceOf = (value: CelValue): RoleResource => {
  const entries = entriesOf(value) ?? [];
  return { isPublic: entries.some(([name, own]) => name === "public" && own === true), attributes: attributesOf(entries) };
};

type Entries = readonly (readonly [name: string, value: CelValue])[];

function entriesOf(value: CelValue): Entries | undefined {
  if (value instanceof CelMap)
    return [...value.entries.values()].flatMap(([key, own]) => (typeof key === "string" ? [[key, own] as const] : []));
  const isPlain = typeof value === "object" && value !== null && !Array.isArray(value) && isPlainObject(value);
  return isPlain ? Object.entries(value as { readonly [name: string]: CelValue }) : undefined;
}

/** Maps of CEL are objects without a class; those of its other values have one. */
const isPlainObject = (value: object): boolean => [Object.prototype, null].includes(Object.getPrototypeOf(value));

const attributesOf = (entries: Entries): ReadonlyMap<string, readonly string[]> =>
  new Map(entries.map(([name, value]) => [name, textsOf(value)]));

const textsOf = (value: CelValue): readonly string[] =>
  typeof value === "string" ? [value] : Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];

const NOBODY = "expected the name of a user, or a map such as `claims`";

function can({ content: { table, nowMs } }: RolesValue, who: CelValue, permission: string, what?: MapValue): CelValue {
  const subject = roleSubjectOf(who);
  return subject === undefined
    ? fail(NOBODY)
    : table.can(subject, permission, what === undefined ? undefined : roleResourceOf(what), nowMs);
}

function namesOf({ content: { table, nowMs } }: RolesValue, who: CelValue): CelValue {
  const subject = roleSubjectOf(who);
  return subject === undefined ? fail(NOBODY) : table.rolesOf(subject, nowMs);
}

const functions: readonly FunctionDeclaration[] = [
  declare(
    "can",
    "Whether a role of a subject (the name of a user, or a map such as `claims`) grants a permission, everywhere or on a resource with these attributes.",
    method("roles_can_everywhere", [roles, dyn, string], BOOL, (own: RolesValue, who: CelValue, permission: string) =>
      can(own, who, permission),
    ),
    method(
      "roles_can_resource",
      [roles, dyn, string, map(string, dyn)],
      BOOL,
      (own: RolesValue, who: CelValue, permission: string, what: MapValue) => can(own, who, permission, what),
    ),
  ),
  declare("of", "Names of the roles of a subject.", method("roles_of", [roles, dyn], listType(STRING), namesOf)),
];

export const roleLibrary: Library = { name: "vigil.roles", functions };
