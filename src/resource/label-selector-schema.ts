/** The schema of what `label-selector.ts` reads. */
import type { Schema } from "./schema.ts";

const text = (description: string): Schema => ({ type: "string", description });
const texts = (description: string): Schema => ({ type: "array", items: { type: "string" }, description });

export const LABEL_SELECTOR_SCHEMA: Schema = {
  type: "object",
  name: "LabelSelector",
  description: "Workloads by labels and requirements, all of which must hold",
  properties: new Map<string, Schema>([
    ["matchLabels", { type: "object", additionalProperties: { type: "string" }, description: "Labels and their values" }],
    [
      "matchExpressions",
      {
        type: "array",
        description: "Requirements",
        items: {
          type: "object",
          name: "LabelSelectorRequirement",
          required: ["key", "operator"],
          properties: new Map<string, Schema>([
            ["key", text("The label")],
            ["operator", { type: "string", enum: ["In", "NotIn", "Exists", "DoesNotExist"], description: "How it is asked for" }],
            ["values", texts("For `In` and `NotIn`")],
          ]),
        },
      },
    ],
  ]),
};
