/** The schema of `AccessPolicy.spec`. A test holds it equal to what `access-policy.ts` reads. */
import { LABEL_SELECTOR_SCHEMA } from "./label-selector-schema.ts";
import type { Schema } from "./schema.ts";

const text = (description: string): Schema => ({ type: "string", description });
const texts = (description: string): Schema => ({ type: "array", items: { type: "string" }, description });

const peers = (description: string): Schema => ({
  type: "array",
  description,
  items: {
    type: "object",
    name: "AccessPeer",
    description: "One way of naming an end; `workload`, `labels` or `selector`, and `namespace` go together",
    properties: new Map<string, Schema>([
      ["workload", text("A workload by its name")],
      ["labels", { type: "object", additionalProperties: { type: "string" }, description: "Workloads that have these labels" }],
      ["selector", LABEL_SELECTOR_SCHEMA],
      ["namespace", text("Of the workloads: by default the policy's own, `*` for any")],
      ["spiffeId", text("SPIFFE IDs: `*` is one segment, a final `/**` any rest")],
      ["trustDomain", text("Everybody of a trust domain")],
      ["cidr", text("A network or an address, whoever has it")],
      ["except", texts("Networks inside of `cidr` that are not meant")],
      ["dns", text("A DNS name (of `to` only); a leading `*.` is one or more labels")],
      [
        "entity",
        {
          type: "string",
          enum: ["world", "host", "any"],
          description: "`world`: who is neither workload nor this host; `host`: this host outside of workloads; `any`: everybody",
        },
      ],
    ]),
  },
});

export const ACCESS_POLICY_SCHEMA: Schema = {
  type: "object",
  description: "Who may call whom; an Allow makes what it names default-deny",
  required: ["to", "from"],
  properties: new Map<string, Schema>([
    ["to", peers("What is called: any of these")],
    ["from", peers("Who calls: any of these")],
    ["ports", texts("`8443`, `8000-8010/udp`, `icmp`, `http` (a named port); by default every port")],
    [
      "action",
      {
        type: "string",
        enum: ["Allow", "Deny", "Audit"],
        default: "Allow",
        description: "Deny comes before every Allow; Audit reports what it matches and changes no verdict",
      },
    ],
    [
      "when",
      text("CEL over `source`, `destination`, `connection`, `request`, `claims`, `tenant`, `permissions`, `roles`; by default always"),
    ],
    [
      "mode",
      {
        type: "string",
        enum: ["Enforce", "Audit"],
        default: "Enforce",
        description: "Audit reports what the policy would deny, and drops nothing",
      },
    ],
    [
      "rollout",
      {
        type: "object",
        name: "Rollout",
        description: "While it is rolled out; others than this share of sources are audited",
        required: ["percent"],
        properties: new Map<string, Schema>([["percent", { type: "integer", description: "0 to 100, always the same sources" }]]),
      },
    ],
    [
      "expiresAt",
      { type: "string", format: "date-time", description: "From when on it allows or denies nothing; who is default-deny stays so" },
    ],
    ["owner", text("For people: whom to ask")],
  ]),
};
