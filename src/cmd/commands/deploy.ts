import { type Command, defineCommand } from "../command.ts";
import { CONFIG_FLAG, POLICY_FLAG, STATE_FLAG } from "../flags.ts";

export const deployWebhookCommand: Command = defineCommand({
  path: "deploy webhook",
  summary: "print the objects that make an API server ask Vigil",
  description: `The webhook configurations ask for no more than the policies need, and leave out kube-system, leases and Vigil's own namespace, so that
Vigil can lock nobody out. Deleting them needs no running Vigil.`,
  operands: [],
  flags: {
    policy: POLICY_FLAG,
    url: { kind: "text", value: "URL", summary: "where a Vigil outside the cluster is: `https://host:port`; a Service when not given" },
    ca: {
      kind: "text",
      value: "FILE",
      completes: "file",
      summary: "the CA in PEM that the webhook's certificate descends from; this installation's when not given",
    },
    timeout: { kind: "duration", value: "TIME", default: 10_000, summary: "how long the API server waits, 1s to 30s" },
    "failure-policy": { kind: "choice", choices: ["Fail", "Ignore"], default: "Fail", summary: "what happens while Vigil does not answer" },
    format: { kind: "choice", short: "o", choices: ["yaml", "json"], default: "yaml", summary: "for `kubectl apply -f -`" },
    state: STATE_FLAG,
    config: CONFIG_FLAG,
  },
  examples: [
    { line: "vigil deploy webhook --url https://10.0.0.7:8443 | kubectl apply -f -", says: "for a Vigil that runs beside the cluster" },
  ],
  async run(invocation) {
    const { deployWebhook } = await import("../deploy-webhook.ts");
    const { policy, url, ca, timeout, "failure-policy": failurePolicy, format, state, config } = invocation.flags;
    const flags = { policies: { flag: "policy", value: policy }, "state.directory": { flag: "state", value: state } };
    return deployWebhook(invocation, { config, flags, url, ca, timeoutMs: timeout, failurePolicy, format });
  },
});
