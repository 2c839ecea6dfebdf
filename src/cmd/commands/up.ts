import { type Command, defineCommand } from "../command.ts";
import { CONFIG_FLAG, POLICY_FLAG, STATE_FLAG } from "../flags.ts";

export const upCommand: Command = defineCommand({
  path: "up",
  summary: "run the admission webhook with its policies and its event store",
  description: `Nothing has to be configured: the built-in packs are enforced on 127.0.0.1:8443. Policies are watched, a change is in force within a second.
The first line of its output holds the word \`ready\`. SIGTERM and Ctrl-C finish the answers under way and then stop.`,
  operands: [],
  flags: {
    policy: POLICY_FLAG,
    listen: { kind: "text", short: "l", value: "HOST:PORT", summary: "address of the webhook (admission.listen; 127.0.0.1:8443)" },
    state: STATE_FLAG,
    config: CONFIG_FLAG,
    demo: {
      kind: "boolean",
      summary: "show what access policies do, with a shop of five services in a state of its own that is removed at the end",
    },
    once: { kind: "boolean", summary: "with --demo: end after it; the exit code says whether everything came as it must" },
    format: { kind: "choice", short: "o", choices: ["text", "json"], default: "text", summary: "what is shown when it is ready" },
  },
  examples: [
    { line: "vigil up", says: "with the built-in packs" },
    { line: "vigil up --demo --once", says: "what access policies do, from the kernel to the claims of a token" },
    {
      line: "vigil up --policy builtin --policy ./policies --listen 0.0.0.0:8443",
      says: "with your own policies beside them, for a cluster",
    },
  ],
  exitCodes: {
    0: "stopped by SIGTERM",
    1: "the demonstration showed something else than it must",
    2: "it could not start",
    130: "stopped by Ctrl-C",
  },
  async run(invocation) {
    const { up } = await import("../up/up.ts");
    const { policy, listen, state, config, format, demo, once } = invocation.flags;
    const flags = {
      policies: { flag: "policy", value: policy },
      "admission.listen": { flag: "listen", value: listen },
      "state.directory": { flag: "state", value: state },
    };
    return up(invocation, { config, flags, format, demo, once });
  },
});
