import { type Command, defineCommand } from "../command.ts";
import { CONFIG_FLAG, FORMAT_FLAG, STATE_FLAG } from "../flags.ts";

const COMMON = { format: FORMAT_FLAG, state: STATE_FLAG, config: CONFIG_FLAG } as const;
const TEN_MINUTES_MS = 600_000;
const KIND = { name: "KIND", summary: "`x509` signs certificates, `jwt` and `wit` sign tokens", arity: "one" } as const;
const ID = { name: "ID", summary: "as `vigil trust show` lists it", arity: "one" } as const;

export const trustShowCommand: Command = defineCommand({
  path: "trust show",
  summary: "show the authorities of the trust domain, whom it trusts and what it denies",
  description: "Authorities are prepared (published), active (they sign), old (they sign no more), and gone. They change by themselves.",
  operands: [],
  flags: { bundle: { kind: "boolean", summary: "print the trust bundle alone, as others fetch it" }, ...COMMON },
  examples: [
    { line: "vigil trust show", says: "phases, and when they change" },
    { line: "vigil trust show --bundle", says: "the bundle, to give it to another trust domain" },
  ],
  run: async (invocation) => (await import("../trust/show.ts")).showTrust(invocation, invocation.flags),
});

export const trustPrepareCommand: Command = defineCommand({
  path: "trust prepare",
  summary: "publish the next authority now, before it signs",
  description: "It happens by itself at half of an authority's life; ahead of time when a key must be replaced.",
  operands: [KIND],
  flags: COMMON,
  examples: [{ line: "vigil trust prepare x509", says: "make and publish the next one" }],
  run: async (invocation) => {
    const { changeAuthority } = await import("../trust/change.ts");
    return changeAuthority(invocation, invocation.flags, { action: "prepare", kind: invocation.operands[0] ?? "" });
  },
});

export const trustActivateCommand: Command = defineCommand({
  path: "trust activate",
  summary: "let the prepared authority sign from now on",
  operands: [KIND],
  flags: { force: { kind: "boolean", summary: "though other trust domains may not know it yet" }, ...COMMON },
  examples: [{ line: "vigil trust activate x509", says: "the one before signs no more, and stays in the bundle" }],
  run: async (invocation) => {
    const { changeAuthority } = await import("../trust/change.ts");
    const { force } = invocation.flags;
    return changeAuthority(invocation, invocation.flags, { action: "activate", kind: invocation.operands[0] ?? "", force });
  },
});

export const trustTaintCommand: Command = defineCommand({
  path: "trust taint",
  summary: "have everything that an old authority signed renewed at once",
  description: "It stays in the bundle, so that nothing fails meanwhile. Revoke it afterwards.",
  operands: [ID],
  flags: COMMON,
  examples: [{ line: "vigil trust taint 8c2f0d1e", says: "before it is revoked" }],
  run: async (invocation) => {
    const { changeAuthority } = await import("../trust/change.ts");
    return changeAuthority(invocation, invocation.flags, { action: "taint", id: invocation.operands[0] ?? "" });
  },
});

export const trustRevokeCommand: Command = defineCommand({
  path: "trust revoke",
  summary: "take an old authority out of the bundle at once",
  description: "What it signed proves nothing any more, and connections that rest on it are cut.",
  operands: [ID],
  flags: COMMON,
  examples: [{ line: "vigil trust revoke 8c2f0d1e", says: "after its key was stolen" }],
  run: async (invocation) => {
    const { changeAuthority } = await import("../trust/change.ts");
    return changeAuthority(invocation, invocation.flags, { action: "revoke", id: invocation.operands[0] ?? "" });
  },
});

export const trustFederateCommand: Command = defineCommand({
  path: "trust federate",
  summary: "trust the identities of another trust domain",
  description:
    "With `--server-id` the endpoint proves itself by its SVID (https_spiffe), and `--bundle` is what to begin with; else by a public certificate (https_web).",
  operands: [{ name: "NAME", summary: "of the other trust domain", arity: "one" }],
  flags: {
    url: { kind: "text", value: "URL", summary: "of its bundle endpoint" },
    "server-id": { kind: "text", value: "ID", summary: "the SPIFFE ID of the endpoint" },
    bundle: { kind: "text", value: "FILE", completes: "file", summary: "its bundle, as `vigil trust show --bundle` prints it" },
    remove: { kind: "boolean", summary: "trust it no longer" },
    ...COMMON,
  },
  examples: [
    { line: "vigil trust federate partner.example --url https://partner.example/bundle", says: "an endpoint with a public certificate" },
    { line: "vigil trust federate partner.example --remove", says: "no longer" },
  ],
  exitCodes: { 1: "its bundle could not be fetched yet" },
  run: async (invocation) => {
    const { federate } = await import("../trust/change.ts");
    const { "server-id": serverId, ...flags } = invocation.flags;
    return federate(invocation, { ...flags, serverId, trustDomain: invocation.operands[0] ?? "" });
  },
});

export const trustTokenCommand: Command = defineCommand({
  path: "trust token",
  summary: "make a one-time token with which an agent on another machine joins",
  operands: [{ name: "NAME", summary: "of the agent", arity: "one" }],
  flags: {
    ttl: { kind: "duration", value: "TIME", default: TEN_MINUTES_MS, summary: "until when it must be used, at most 24h" },
    ...COMMON,
  },
  examples: [{ line: "vigil trust token edge-1", says: "for spiffe://<trust domain>/vigil/agent/edge-1" }],
  run: async (invocation) => {
    const { createToken } = await import("../trust/change.ts");
    return createToken(invocation, { ...invocation.flags, agentName: invocation.operands[0] ?? "", ttlMs: invocation.flags.ttl });
  },
});
