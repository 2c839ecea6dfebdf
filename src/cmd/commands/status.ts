import { type Command, defineCommand } from "../command.ts";
import { CONFIG_FLAG, FORMAT_FLAG, STATE_FLAG } from "../flags.ts";

export const statusCommand: Command = defineCommand({
  path: "status",
  summary: "show what the running Vigil does",
  operands: [],
  flags: { format: FORMAT_FLAG, state: STATE_FLAG, config: CONFIG_FLAG },
  examples: [{ line: "vigil status", says: "processes, policies, webhook and events" }],
  exitCodes: { 0: "all is well", 1: "something is not: a process, the policies or the event store", 2: "no Vigil answers" },
  run: async (invocation) => (await import("../status.ts")).showStatus(invocation, invocation.flags),
});
