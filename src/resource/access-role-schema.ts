/** The schemas of `AccessRole.spec` and `RoleAssignment.spec`. A test holds them equal to what `access-role.ts` reads. */
import type { Schema } from "./schema.ts";

const texts = (description: string): Schema => ({ type: "array", items: { type: "string" }, description });

export const ACCESS_ROLE_SCHEMA: Schema = {
  type: "object",
  description: "What may be done to what; asked by `roles.can` in conditions",
  properties: new Map<string, Schema>([
    [
      "grants",
      {
        type: "array",
        description: "Permissions, each with the resources that it extends to",
        items: {
          type: "object",
          name: "RoleGrant",
          required: ["permissions", "scope"],
          properties: new Map<string, Schema>([
            ["permissions", texts("`user:read`; a final `:*` is whatever begins so, `*` everything")],
            [
              "scope",
              {
                type: "string",
                enum: ["global", "public", "own"],
                description: "`global`: every resource; `public`: those that say so; `own`: those that share an attribute with who asks",
              },
            ],
            ["by", { type: "string", description: "The attribute of `own`: `department`" }],
          ]),
        },
      },
    ],
    ["includes", texts("Roles whose grants it has too")],
  ]),
};

export const ROLE_ASSIGNMENT_SCHEMA: Schema = {
  type: "object",
  description: "Who has which roles",
  required: ["roles"],
  properties: new Map<string, Schema>([
    ["users", texts("As tokens name them in `sub`")],
    ["groups", texts("As tokens name them in `groups`")],
    ["roles", texts("Names of AccessRoles")],
    [
      "attributes",
      { type: "object", additionalProperties: { type: "string" }, description: "What `own` is measured by: `department: surgery`" },
    ],
    ["expiresAt", { type: "string", format: "date-time", description: "From when on it assigns nothing" }],
  ]),
};
