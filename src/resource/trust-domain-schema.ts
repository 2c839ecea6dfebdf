/** The schema of `TrustDomain.spec`. A test holds it equal to what `trust-domain.ts` reads. */
import type { Schema } from "./schema.ts";

const text = (description: string): Schema => ({ type: "string", description });
const texts = (description: string): Schema => ({ type: "array", items: { type: "string" }, description });
const duration = (description: string): Schema => ({ type: "string", format: "duration", description });

const KEY_TYPES = ["ec-p256", "ec-p384", "rsa-2048", "rsa-3072", "rsa-4096"];

const keys = (description: string): Schema => ({
  type: "object",
  name: "KeyPolicy",
  description,
  properties: new Map<string, Schema>([
    ["keyType", { type: "string", enum: KEY_TYPES, description: "Of the next key; by default the setting `identity.keyType`" }],
    ["ttl", duration("How long a key lives; the next one is published after half of it and signs after two thirds")],
  ]),
});

const rules = (description: string): Schema => ({
  type: "array",
  description,
  items: {
    type: "object",
    name: "IdentityRule",
    required: ["name", "expression"],
    properties: new Map<string, Schema>([
      ["name", text("What events call the rule")],
      ["expression", text("CEL; must be true")],
      ["message", text("What a refusal says")],
    ]),
  },
});

const FEDERATION: Schema = {
  type: "array",
  description: "Other trust domains, and where their bundles are",
  items: {
    type: "object",
    name: "FederationRelation",
    required: ["trustDomain", "url", "profile"],
    properties: new Map<string, Schema>([
      ["trustDomain", text("The name of the other")],
      ["url", text("Of its bundle endpoint, https")],
      ["profile", { type: "string", enum: ["https_web", "https_spiffe"], description: "How the endpoint proves what it is" }],
      ["serverId", text("The SPIFFE ID of an https_spiffe endpoint")],
      ["bundle", text("The bundle to begin with, as JSON text")],
    ]),
  },
};

export const TRUST_DOMAIN_SCHEMA: Schema = {
  type: "object",
  description: "How the trust domain works",
  properties: new Map<string, Schema>([
    ["x509", keys("The authority that signs certificates")],
    ["jwt", keys("The keys that sign JWT-SVIDs")],
    ["wit", keys("The keys that sign WIT-SVIDs")],
    ["refreshHint", duration("How often others should fetch the bundle")],
    ["idTemplate", text("Path of the IDs of workloads that name none, with `{name}` and `{namespace}`; by default `/{namespace}/{name}`")],
    ["federation", FEDERATION],
    ["registration", rules("What must hold for a workload to be registered: `workload`")],
    ["issuance", rules("What must hold for an SVID to be issued: `workload`, `request` and `agent`")],
    [
      "nodes",
      {
        type: "object",
        name: "NodePolicy",
        description: "Which nodes may run agents, besides the local one",
        properties: new Map<string, Schema>([
          ["x509Authorities", text("Certificates in PEM: whoever holds a certificate of theirs is a node")],
          ["spiffeIds", texts("Identities that may exchange their SVID for that of an agent")],
        ]),
      },
    ],
    [
      "denied",
      {
        type: "object",
        name: "Denied",
        description: "What proves nothing any more, though it is signed and not expired",
        properties: new Map<string, Schema>([
          ["spiffeIds", texts("Identities")],
          ["serials", texts("Serial numbers of certificates, lower-case hexadecimal")],
          ["authorityIds", texts("Authorities, as `vigil trust show` lists them")],
        ]),
      },
    ],
  ]),
};
