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
