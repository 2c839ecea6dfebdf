import { type Command, defineCommand } from "../command.ts";

export const identityWatchCommand: Command = defineCommand({
  path: "identity watch",
  summary: "keep the identity of this workload in files, for a program that reads files",
  description:
    "Writes `svid.pem`, `svid_key.pem` (mode 0600), `bundle.pem` and `federated/TRUST-DOMAIN.pem` to --dir whenever the agent renews them, all of them in one step, " +
    "and then tells the program. When the agent withdraws the identity, its files go.",
  operands: [],
  flags: {
    dir: {
      kind: "text",
      short: "d",
      value: "DIR",
      completes: "directory",
      summary: "a directory of its own for the files; made if need be",
    },
    jwt: { kind: "list", value: "AUDIENCE=FILE", summary: "also keep a JWT-SVID for this audience in this file below --dir (mode 0600)" },
    signal: {
      kind: "text",
      value: "PID",
      summary: "after each change send a signal to this process, or to the one whose number this file holds",
    },
    "signal-name": { kind: "choice", choices: ["HUP", "USR1", "USR2"], default: "HUP", summary: "which signal" },
    exec: { kind: "text", value: "CMD", summary: "after each change run this command with `sh -c`" },
    once: { kind: "boolean", summary: "end after the first identity is written" },
    wait: { kind: "duration", value: "TIME", default: 30_000, summary: "with --once: how long to wait for the identity" },
    hint: { kind: "text", value: "HINT", summary: "which identity, when there are several; the default one when not given" },
    socket: { kind: "text", value: "ADDRESS", summary: "address of the Workload API (SPIFFE_ENDPOINT_SOCKET)" },
  },
  examples: [
    { line: "vigil identity watch --dir /run/web/svid --signal /run/nginx.pid", says: "nginx reloads its certificate" },
    { line: "vigil identity watch --dir /run/job/svid --jwt vault=vault.jwt --once", says: "before a job starts" },
  ],
  run: async (invocation) => (await import("../identity/watch.ts")).watchIdentity(invocation, invocation.flags),
});
