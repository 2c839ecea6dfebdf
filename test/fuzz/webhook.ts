/** Fuzzes what an API server, or somebody who plays one, may send to the webhook: the body is mutated as a tree and as text. */
import { createAdmissionMetrics } from "../../src/admission/admission-metrics.ts";
import { type AnswerReview, createWebhook } from "../../src/admission/webhook.ts";
import type { JsonValue } from "../../src/lib/json.ts";
import { judge } from "../../src/policy/judge.ts";
import { readPacks } from "../admission/packs.ts";
import { sampleReview } from "../admission/sample-review.ts";
import { type FuzzTarget, threadMs } from "./target.ts";

/** Far more than any body of this size may take, far less than a person would wait. */
const MAX_ANSWER_MS = 2_000;
const MAX_TREE_CHANGES = 4;
const MAX_TEXT_CHANGES = 3;

let prepared: AnswerReview | undefined;

function webhook(): AnswerReview {
  const { snapshot, world } = readPacks(Date.UTC(2026, 0, 1));
  return createWebhook({
    decide: (review, phase) => judge(snapshot, review, world, { phase }),
    excluded: new Set(["kube-system"]),
    breakGlass: () => undefined,
    onFailure: "refuse",
    emit: (event) => void JSON.stringify(event),
    metrics: createAdmissionMetrics(),
    steadyMs: () => performance.now(),
  });
}

/** Any value is put in the place of any other. */
const ODDITIES: readonly JsonValue[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  "",
  "*",
  "x".repeat(10_000),
  "\u0000\u001b[31m\n",
  "\ud800",
  [],
  {},
  [null],
  { constructor: 1, toString: null, hasOwnProperty: [] },
  [[[[[[[[[[[[]]]]]]]]]]]],
  { a: { a: { a: { a: { a: {} } } } } },
];
/** Texts that only a writer other than JSON.stringify makes. */
const FRAGMENTS = [
  '"__proto__":{},',
  '"a":1,"a":2,',
  "[".repeat(300),
  "9007199254740993",
  "-0",
  "1e999",
  "\\u0000",
  "\\ud800",
  "\ufeff",
  '"',
  "}",
  ",",
  "\u0000",
];

export const webhookFuzz: FuzzTarget = {
  name: "webhook",
  run(random: () => number): void {
    prepared ??= webhook();
    const upTo = (limit: number): number => Math.floor(random() * limit);
    const body = mutateText(JSON.stringify(mutateTree(structuredClone(sampleReview(upTo(5))), upTo)), upTo);
    const phase = random() < 0.5 ? "validate" : "mutate";
    const startMs = threadMs();
    const { status, body: answer } = prepared(body, phase);
    const wrong = threadMs() - startMs > MAX_ANSWER_MS ? "too slow" : wrongAnswer(status, answer, phase);
    if (wrong !== undefined) throw new Error(`${wrong}; ${phase} ${body.toString("base64")} -> ${status} ${answer.slice(0, 1000)}`);
  },
};

function mutateTree(root: JsonValue, upTo: (limit: number) => number): JsonValue {
  for (let changes = upTo(MAX_TREE_CHANGES + 1); changes > 0; changes--) {
    let at: Record<string, JsonValue> = { root };
    for (;;) {
      const keys = Object.keys(at);
      const key = keys[upTo(keys.length)] ?? "root";
      const child = at[key];
      if (typeof child === "object" && child !== null && Object.keys(child).length > 0 && upTo(6) > 0) {
        // Lists are walked like objects: a key is an index.
        at = child as Record<string, JsonValue>;
        continue;
      }
      if (upTo(4) === 0) delete at[key];
      else at[key] = structuredClone(ODDITIES[upTo(ODDITIES.length)] ?? null);
      break;
    }
  }
  return root;
}

function mutateText(text: string, upTo: (limit: number) => number): Buffer {
  let mutated = Buffer.from(text);
  if (upTo(3) > 0) return mutated;
  for (let changes = upTo(MAX_TEXT_CHANGES + 1); changes > 0; changes--) {
    const at = upTo(mutated.length + 1);
    const fragment = upTo(2) === 0 ? Buffer.from(FRAGMENTS[upTo(FRAGMENTS.length)] ?? "") : Buffer.of(upTo(256));
    mutated = Buffer.concat([mutated.subarray(0, at), fragment, mutated.subarray(at + upTo(3))]);
  }
  return upTo(4) === 0 ? mutated.subarray(0, upTo(mutated.length + 1)) : mutated;
}

/** What is wrong with an answer; undefined when nothing is. */
function wrongAnswer(status: number, answer: string, phase: string): string | undefined {
  const json = JSON.parse(answer);
  if (status === 400) return json.kind === "Status" && json.code === 400 && json.message !== "" ? undefined : "not a Status";
  if (status !== 200) return "unexpected status";
  const { uid, allowed, status: denial, patch, warnings = [] } = json.response;
  if (typeof uid !== "string" || uid === "" || typeof allowed !== "boolean") return "no verdict";
  if (!allowed && !(denial.code >= 400 && denial.message !== "")) return "a denial without a reason";
  if (patch !== undefined && (phase === "validate" || !Array.isArray(JSON.parse(Buffer.from(patch, "base64").toString()))))
    return "a patch that is none";
  return warnings.join("").length > 4096 ? "too many warnings" : undefined;
}
