import { type Command, defineCommand } from "../command.ts";
import { CONFIG_FLAG, FORMAT_FLAG, STATE_FLAG } from "../flags.ts";

const COMMON = { format: FORMAT_FLAG, state: STATE_FLAG, config: CONFIG_FLAG } as const;

export const identityListCommand: Command = defineCommand({
  path: "identity list",
  summary: "list the workloads that are registered with the authority",
  operands: [],
  flags: COMMON,
  examples: [{ line: "vigil identity list", says: "identities, and which processes get them" }],
  run: async (invocation) => (await import("../identity/registry.ts")).listEntries(invocation, invocation.flags),
});

export const identityMintCommand: Command = defineCommand({
  path: "identity mint",
  summary: "issue an SVID without attestation, for what has no agent",
  description: "Prints a certificate and its new private key, or writes them. The trust domain's rules apply, and it is an event.",
  operands: [{ name: "ID", summary: "SPIFFE ID in the own trust domain", arity: "one" }],
  flags: {
    audience: { kind: "list", value: "NAME", summary: "a JWT-SVID for this audience instead of a certificate" },
    dns: { kind: "list", value: "NAME", summary: "a DNS name in the certificate" },
    ttl: { kind: "duration", value: "TIME", summary: "how long it lives; 15m for certificates and 5m for tokens unless given" },
    class: {
      kind: "choice",
      choices: ["service", "gateway", "data", "legacy"],
      default: "service",
      summary: "what it is for, which says how long a certificate may live: 1h, 24h, 72h, 168h",
    },
    out: { kind: "text", value: "DIR", completes: "directory", summary: "write svid.pem, svid_key.pem and bundle.pem there" },
    ...COMMON,
  },
  examples: [
    { line: "vigil identity mint spiffe://vigil.local/laptop --ttl 1h --out ./laptop", says: "a certificate" },
    { line: "vigil identity mint spiffe://vigil.local/ci --audience registry", says: "a token" },
  ],
  run: async (invocation) => {
    const { mint } = await import("../identity/registry.ts");
    const { dns, ttl, class: componentClass, ...flags } = invocation.flags;
    return mint(invocation, { ...flags, dnsNames: dns, ttlMs: ttl, componentClass, spiffeId: invocation.operands[0] ?? "" });
  },
});

export const identityRotateCommand: Command = defineCommand({
  path: "identity rotate",
  summary: "have SVIDs renewed now",
  operands: [{ name: "ID", summary: "SPIFFE IDs; all when there are none", arity: "any" }],
  flags: COMMON,
  examples: [{ line: "vigil identity rotate", says: "every workload gets a new certificate and key" }],
  exitCodes: { 1: "no workload has these identities" },
  run: async (invocation) => (await import("../identity/registry.ts")).rotateSvids(invocation, invocation.flags),
});

export const identityRevokeCommand: Command = defineCommand({
  path: "identity revoke",
  summary: "deny identities or single certificates, everywhere and at once",
  description: "Nothing is issued for a denied identity, and what was issued proves nothing any more.",
  operands: [{ name: "ID|SERIAL", summary: "SPIFFE IDs and serial numbers", arity: "one or more" }],
  flags: {
    reason: { kind: "text", value: "TEXT", summary: "why, for the event" },
    undo: { kind: "boolean", summary: "deny them no longer" },
    ...COMMON,
  },
  examples: [
    { line: "vigil identity revoke spiffe://vigil.local/laptop --reason stolen", says: "deny an identity" },
    { line: "vigil identity revoke spiffe://vigil.local/laptop --undo", says: "deny it no longer" },
  ],
  run: async (invocation) => (await import("../identity/registry.ts")).revoke(invocation, invocation.flags),
});
