import { type Command, defineCommand } from "../command.ts";
import { CONFIG_FLAG, FORMAT_FLAG, STATE_FLAG } from "../flags.ts";

const SOCKET_FLAG = {
  kind: "text",
  value: "ADDRESS",
  completes: "file",
  summary: "socket of the agent, `unix:PATH` or a path (SPIFFE_ENDPOINT_SOCKET; else as configured)",
} as const;

export const identityShowCommand: Command = defineCommand({
  path: "identity show",
  summary: "show who this process is by the running agent",
  description: "The agent sees this command as a workload like any other: by its user, its program and its control group.",
  operands: [],
  flags: {
    write: { kind: "text", value: "DIR", completes: "directory", summary: "also write the default identity there, as PEM files" },
    socket: SOCKET_FLAG,
    format: FORMAT_FLAG,
    state: STATE_FLAG,
    config: CONFIG_FLAG,
  },
  examples: [{ line: "vigil identity show", says: "identities, when they expire, and whom they trust" }],
  exitCodes: { 0: "it has an identity, which verifies", 1: "it has none, or a wrong one", 2: "no agent answers" },
  run: async (invocation) => (await import("../identity/show.ts")).showIdentity(invocation, invocation.flags),
});

export const identityDoctorCommand: Command = defineCommand({
  path: "identity doctor",
  summary: "find out why identities are missing, wrong or about to expire",
  description: "Looks at the socket, the agent, its authority, clocks, the chain, policy and lifetimes, and says what to do.",
  operands: [],
  flags: { socket: SOCKET_FLAG, format: FORMAT_FLAG, state: STATE_FLAG, config: CONFIG_FLAG },
  examples: [{ line: "vigil identity doctor", says: "as the user whose process lacks an identity" }],
  exitCodes: { 0: "nothing is wrong", 1: "something is, as told", 2: "it could not be looked at" },
  run: async (invocation) => (await import("../identity/doctor.ts")).examineIdentity(invocation, invocation.flags),
});

export const identityAgentCommand: Command = defineCommand({
  path: "identity agent",
  summary: "run the node agent alone, for an authority on another machine",
  description: `The agent shows once which node it runs on: by a join token, by a certificate that the authority accepts for nodes, or by an SVID. It keeps
and renews its own identity; each flag can stand in the configuration instead. The first line of its output holds the word \`ready\`.`,
  operands: [],
  flags: {
    authority: { kind: "text", value: "HOST:PORT", summary: "where agents reach it (identity.authority)" },
    bundle: { kind: "text", value: "FILE", completes: "file", summary: "to verify it with at first (identity.authorityBundle)" },
    "join-token": {
      kind: "text",
      value: "FILE",
      completes: "file",
      summary: "file with a token of `vigil trust token` (identity.joinToken)",
    },
    certificate: { kind: "text", value: "FILE", completes: "file", summary: "instead: of the node, PEM (identity.nodeCertificate)" },
    key: { kind: "text", value: "FILE", completes: "file", summary: "its private key, PEM (identity.nodeKey)" },
    "trust-domain": { kind: "text", value: "NAME", summary: "of the authority (identity.trustDomain)" },
    state: STATE_FLAG,
    config: CONFIG_FLAG,
    format: FORMAT_FLAG,
  },
  examples: [
    {
      line: "vigil identity agent --authority vigil.example.org:8442 --bundle bundle.json --join-token token",
      says: "with what `vigil trust show --bundle` and `vigil trust token edge-1` printed at the authority",
    },
  ],
  exitCodes: { 0: "stopped by SIGTERM", 2: "it could not start", 130: "stopped by Ctrl-C" },
  run: async (invocation) => {
    const { authority, bundle, certificate, key, state, config, format, ...rest } = invocation.flags;
    const flags = {
      "identity.authority": { flag: "authority", value: authority },
      "identity.authorityBundle": { flag: "bundle", value: bundle },
      "identity.joinToken": { flag: "join-token", value: rest["join-token"] },
      "identity.nodeCertificate": { flag: "certificate", value: certificate },
      "identity.nodeKey": { flag: "key", value: key },
      "identity.trustDomain": { flag: "trust-domain", value: rest["trust-domain"] },
      "state.directory": { flag: "state", value: state },
    };
    return (await import("../identity/run-agent.ts")).runAgent(invocation, { config, flags, format });
  },
});
