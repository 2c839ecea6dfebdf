import { type Command, defineCommand } from "../command.ts";
import { CONFIG_FLAG, STATE_FLAG } from "../flags.ts";

export const flowsCommand: Command = defineCommand({
  path: "flows",
  summary: "show who called whom on this host, and what the kernel and the services decided",
  description: `Each line has the layer that decided (kernel or process), the policy and rule, and the time that deciding took where it is measured. Alike flows that come too fast are one line with their count; what was lost is a gap among \`vigil events\`.
NAME is a workload (\`orders\`, \`shop/orders\`), a SPIFFE ID, \`world\`, \`host\`, or an address. Reads the store of this machine; Vigil need not run.`,
  operands: [],
  flags: {
    follow: { kind: "boolean", short: "f", summary: "go on with new flows, until interrupted" },
    since: { kind: "text", value: "TIME", summary: "only flows from then on: `15m` (ago), `14:30`, `2026-11-22`" },
    last: { kind: "integer", short: "n", value: "N", min: 1, max: 1_000_000, default: 50, summary: "the newest so many" },
    from: { kind: "text", value: "NAME", summary: "only what this one called" },
    to: { kind: "text", value: "NAME", summary: "only calls of this one" },
    verdict: { kind: "choice", choices: ["allow", "deny", "audit"], summary: "only flows of this kind" },
    port: { kind: "integer", value: "PORT", min: 0, max: 65_535, summary: "only calls of this port" },
    policy: { kind: "text", value: "NAME", summary: "only what this policy decided" },
    layer: { kind: "choice", choices: ["kernel", "process"], summary: "only what was decided there" },
    format: {
      kind: "choice",
      short: "o",
      choices: ["compact", "json", "jsonl"],
      default: "compact",
      summary: "one line each, one JSON list, or JSON lines",
    },
    state: STATE_FLAG,
    config: CONFIG_FLAG,
  },
  examples: [
    { line: "vigil flows --verdict deny --since 1h", says: "what was refused in the last hour" },
    { line: "vigil flows --follow --to payments", says: "who calls payments, as it happens" },
  ],
  run: async (invocation) => (await import("../flows/list.ts")).listFlows(invocation, invocation.flags),
});
