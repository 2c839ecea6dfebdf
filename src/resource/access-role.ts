/**
 * Roles of an application as data, of `vigil.dev/v1alpha1`: an AccessRole says what may be done to what, a RoleAssignment who has it. Conditions
 * of access policies ask them with `roles.can`.
 */
import type { Document } from "./document.ts";
import type { Metadata } from "./metadata.ts";
import {
  checked,
  listOf,
  nonEmptyText,
  oneOf,
  optional,
  record,
  required,
  type Shape,
  type Spot,
  textMap,
  timestamp,
  withDefault,
} from "./shape.ts";

export interface AccessRole {
  readonly kind: "AccessRole";
  readonly document: Document;
  readonly metadata: Metadata;
  readonly grants: readonly RoleGrant[];
  /** Names of roles whose grants it has too. */
  readonly includes: readonly string[];
}

export interface RoleGrant {
  /** `user:read`; a final `:*` is whatever begins so, `*` everything. */
  readonly permissions: readonly string[];
  readonly scope: GrantScope;
}

/** To which resources a grant extends. */
export type GrantScope =
  /** All of them. */
  | { readonly kind: "global" }
  /** Those that say `public: true` of themselves. */
  | { readonly kind: "public" }
  /** Those that share a value of this attribute with who asks: `department`. */
  | { readonly kind: "own"; readonly attribute: string };

export interface RoleAssignment {
  readonly kind: "RoleAssignment";
  readonly document: Document;
  readonly metadata: Metadata;
  /** As tokens name them in `sub`. */
  readonly users: readonly string[];
  /** As tokens name them in `groups`. */
  readonly groups: readonly string[];
  readonly roles: readonly string[];
  /** What `own` is measured by, beside what is said of who asks. */
  readonly attributes: { readonly [name: string]: string };
  /** From when on it assigns nothing, in milliseconds since the epoch; undefined: never. */
  readonly expiresAtMs: number | undefined;
}

const MAX_ITEMS = 10_000;
const MAX_PERMISSION = 200;
const PERMISSION = /^(?:\*|[A-Za-z0-9_.-]+(?::[A-Za-z0-9_.-]+)*(?::\*)?)$/;

const permission: Shape<string> = (value, spot) => {
  const read = nonEmptyText(value, spot);
  if (read === undefined) return undefined;
  if (read.length <= MAX_PERMISSION && PERMISSION.test(read)) return read;
  const hint = "write it as `user:read`; a final `:*` stands for any rest";
  spot.report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}\` to be a permission, got \`${read}\``, hint);
  return undefined;
};

interface WrittenGrant {
  readonly permissions: readonly string[];
  readonly scope: "global" | "public" | "own";
  readonly by: string | undefined;
}

const writtenGrant: Shape<WrittenGrant> = checked(
  record<WrittenGrant>({
    permissions: required(listOf(permission, { min: 1, max: MAX_ITEMS })),
    scope: required(oneOf("global", "public", "own")),
    by: optional(nonEmptyText),
  }),
  ({ scope, by }, spot) => {
    if ((scope === "own") === (by !== undefined)) return;
    const message = scope === "own" ? `missing field \`${spot.name}.by\`` : `\`by\` goes with \`scope: own\` in \`${spot.name}\``;
    spot.report(scope === "own" ? "RESOURCE_MISSING_FIELD" : "RESOURCE_INVALID_VALUE", message, "the attribute: `by: department`");
  },
);

const grant: Shape<RoleGrant> = (value, spot) => {
  const read = writtenGrant(value, spot);
  if (read === undefined) return undefined;
  const { permissions, scope, by } = read;
  return { permissions, scope: scope === "own" ? { kind: "own", attribute: by ?? "" } : { kind: scope } };
};

const names = listOf(nonEmptyText, { max: MAX_ITEMS });

export const accessRoleSpec: Shape<Omit<AccessRole, "kind" | "document" | "metadata">> = checked(
  record<Omit<AccessRole, "kind" | "document" | "metadata">>({
    grants: withDefault(listOf(grant, { max: MAX_ITEMS }), []),
    includes: withDefault(names, []),
  }),
  ({ grants, includes }, spot) => {
    if (grants.length + includes.length === 0) spot.report("RESOURCE_MISSING_FIELD", "missing field `spec.grants`", "or `includes`");
  },
);

interface WrittenAssignment extends Omit<RoleAssignment, "kind" | "document" | "metadata" | "expiresAtMs"> {
  readonly expiresAt: number | undefined;
}

const writtenAssignment: Shape<WrittenAssignment> = checked(
  record<WrittenAssignment>({
    users: withDefault(listOf(nonEmptyText, { max: 100_000 }), []),
    groups: withDefault(names, []),
    roles: required(listOf(nonEmptyText, { min: 1, max: MAX_ITEMS })),
    attributes: withDefault(textMap, {}),
    expiresAt: optional(timestamp),
  }),
  ({ users, groups }, spot: Spot) => {
    if (users.length + groups.length === 0) spot.report("RESOURCE_MISSING_FIELD", "missing field `spec.users`", "or `groups`");
  },
);

export const roleAssignmentSpec: Shape<Omit<RoleAssignment, "kind" | "document" | "metadata">> = (value, spot) => {
  const read = writtenAssignment(value, spot);
  if (read === undefined) return undefined;
  const { expiresAt, ...rest } = read;
  return { ...rest, expiresAtMs: expiresAt };
};
