/** The schema of `RuntimePolicy.spec`. A test holds it equal to what `runtime-policy.ts` reads. */
import { LABEL_SELECTOR_SCHEMA } from "./label-selector-schema.ts";
import { RUNTIME_EVENTS } from "./runtime-event-name.ts";
import type { Schema } from "./schema.ts";

const text = (description: string): Schema => ({ type: "string", description });
const texts = (description: string): Schema => ({ type: "array", items: { type: "string" }, description });
const cel = (description: string): Schema => text(`CEL: ${description}`);
const duration = (description: string): Schema => ({ type: "string", format: "duration", description });

const named = (name: string, description: string, more: readonly (readonly [string, Schema])[] = []): Schema => ({
  type: "array",
  description,
  items: {
    type: "object",
    name,
    required: ["name", "expression", ...(more.some(([key]) => key === "reason") ? ["reason"] : [])],
    properties: new Map<string, Schema>([
      ["name", text("What it is called in findings and messages")],
      ["expression", cel("over `event`, `process`, `parent`, `ancestors`, `file`, `network`, `workload` and `variables`")],
      ...more,
    ]),
  },
});

export const RUNTIME_POLICY_SCHEMA: Schema = {
  type: "object",
  description: "What processes must not do, and what happens when they do",
  required: ["match"],
  properties: new Map<string, Schema>([
    [
      "match",
      {
        type: "object",
        name: "RuntimeMatch",
        description: "Which events are judged",
        required: ["events"],
        properties: new Map<string, Schema>([
          ["events", { type: "array", items: { type: "string", enum: RUNTIME_EVENTS }, description: "What processes do" }],
          ["workloads", { ...LABEL_SELECTOR_SCHEMA, description: "Labels of the workload; all workloads when left out" }],
          [
            "paths",
            texts("The file, or for exec the program, is one of these or below one; components may be shell patterns; any when left out"),
          ],
        ]),
      },
    ],
    ["variables", named("RuntimeVariable", "Values with names, evaluated when they are used: `variables.NAME`")],
    ["conditions", named("RuntimeCondition", "All must hold; one that cannot be evaluated counts as met")],
    [
      "exceptions",
      named("RuntimeException", "One that holds leaves the event alone", [
        ["reason", text("Why, for those who read it later")],
        ["expiresAt", { type: "string", format: "date-time", description: "From then on it no longer holds" }],
      ]),
    ],
    [
      "severity",
      {
        type: "string",
        enum: ["Informational", "Low", "Medium", "High", "Critical"],
        default: "Medium",
        description: "How bad it is, for those who read the finding",
      },
    ],
    ["message", cel("what the finding says; the policy's title when left out")],
    [
      "action",
      {
        type: "string",
        enum: ["Event", "Alert", "Kill", "Freeze", "Refuse"],
        default: "Alert",
        description:
          "What is done: it is noted, told, the process is killed, its cgroup frozen; `Refuse` (for `process.exec` alone) ends the program before its first instruction where `match.paths` alone decides, else as soon as it is seen",
      },
    ],
    ["techniques", texts("Of MITRE ATT&CK: `T1059.004`")],
    ["tags", texts("Words to find it by")],
    ["confidence", { type: "integer", default: 80, description: "How sure it is, 0 to 100" }],
    [
      "deduplicate",
      {
        type: "object",
        name: "RuntimeDeduplication",
        description: "The same again is counted, not repeated",
        properties: new Map<string, Schema>([
          ["key", cel("a text, alike for what is the same; workload, program and object when left out")],
          ["within", duration("For how long; 1m when left out, at most 24h")],
        ]),
      },
    ],
    [
      "threshold",
      {
        type: "object",
        name: "RuntimeThreshold",
        description: "Only when it has happened often enough",
        required: ["count", "within"],
        properties: new Map<string, Schema>([
          ["count", { type: "integer", description: "So many times, 2 to 10,000" }],
          ["within", duration("In this time, at most 24h")],
          ["key", cel("a text; what has the same is counted together; the workload when left out")],
        ]),
      },
    ],
  ]),
};
