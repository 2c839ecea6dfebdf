import { type Command, defineCommand } from "../command.ts";
import { CONFIG_FLAG, FORMAT_FLAG, STATE_FLAG } from "../flags.ts";

const DEFAULT_MS = 30 * 60 * 1000;

export const breakGlassCommand: Command = defineCommand({
  path: "admission break-glass",
  summary: "let every review pass for a while, in an emergency",
  description: "Without a reason it says whether it is open. Opening, closing and every review that passes are events. It ends by itself.",
  operands: [],
  flags: {
    reason: { kind: "text", value: "TEXT", summary: "why; opens it" },
    for: { kind: "duration", value: "TIME", default: DEFAULT_MS, summary: "for how long, at most 4h" },
    close: { kind: "boolean", summary: "close it now" },
    format: FORMAT_FLAG,
    state: STATE_FLAG,
    config: CONFIG_FLAG,
  },
  examples: [
    { line: "vigil admission break-glass --reason 'INC-1234: CoreDNS cannot start' --for 15m", says: "open it" },
    { line: "vigil admission break-glass --close", says: "close it" },
  ],
  exitCodes: { 0: "done", 2: "refused, or no Vigil answers" },
  async run(invocation) {
    const { breakGlass } = await import("../break-glass.ts");
    return breakGlass(invocation, { ...invocation.flags, durationMs: invocation.flags.for });
  },
});
