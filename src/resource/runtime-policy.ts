/** RuntimePolicy of `vigil.dev/v1alpha1`: what processes must not do while they run, and what happens when they do. */
import type { Diagnostic } from "../lib/diagnostic.ts";
import { type Document, diagnose } from "./document.ts";
import { type Expression, expression, matchConditions, type NamedExpression, variables } from "./expression.ts";
import { EVERYTHING, type LabelSelector, labelSelector } from "./label-selector.ts";
import type { Metadata } from "./metadata.ts";
import type { PolicyResourceErrorCode } from "./policy-resource.ts";
import { resourceParser } from "./resource-root.ts";
import { RUNTIME_EVENTS, type RuntimeEventName } from "./runtime-event-name.ts";
import {
  checked,
  duration,
  integer,
  listOf,
  nonEmptyText,
  oneOf,
  optional,
  record,
  required,
  type Shape,
  Spot,
  text,
  timestamp,
  withDefault,
} from "./shape.ts";
import { VIGIL_GROUP, VIGIL_VERSION } from "./vigil-kinds.ts";

/** What is done about it. `Refuse` stops the program at exec, before its first instruction. */
export const RUNTIME_ACTIONS = ["Event", "Alert", "Kill", "Freeze", "Refuse"] as const;
export type RuntimeAction = (typeof RUNTIME_ACTIONS)[number];

export const RUNTIME_SEVERITIES = ["Informational", "Low", "Medium", "High", "Critical"] as const;
export type RuntimeSeverity = (typeof RUNTIME_SEVERITIES)[number];

export interface RuntimePolicy {
  readonly kind: "RuntimePolicy";
  readonly document: Document;
  readonly metadata: Metadata;
  readonly match: RuntimeMatch;
  readonly variables: readonly NamedExpression[];
  /** All must hold. */
  readonly conditions: readonly NamedExpression[];
  /** One that holds leaves the event alone. */
  readonly exceptions: readonly RuntimeException[];
  readonly severity: RuntimeSeverity;
  /** A text; undefined for the policy's title. */
  readonly message: Expression | undefined;
  readonly action: RuntimeAction;
  /** MITRE ATT&CK: `T1059.004`. */
  readonly techniques: readonly string[];
  readonly tags: readonly string[];
  readonly confidence: number;
  readonly deduplicate: Deduplication;
  /** Undefined: once is enough. */
  readonly threshold: Threshold | undefined;
}

export interface RuntimeMatch {
  /** Not empty. */
  readonly events: readonly RuntimeEventName[];
  /** Labels of the workload. */
  readonly workloads: LabelSelector;
  /** The file, or for exec the program, is one of these or below one; components may be shell patterns. Empty: any. */
  readonly paths: readonly string[];
}

export interface RuntimeException {
  readonly name: string;
  readonly expression: Expression;
  readonly reason: string;
  /** Milliseconds since the epoch; undefined: never. */
  readonly expiresAtMs: number | undefined;
}

/** What is the same again: reported once within the time, and counted. */
export interface Deduplication {
  /** A text; undefined for the workload, the program and the object. */
  readonly key: Expression | undefined;
  readonly withinMs: number;
}

export interface Threshold {
  readonly count: number;
  readonly withinMs: number;
  /** A text that tells what is counted together; undefined for the workload. */
  readonly key: Expression | undefined;
}

type Spec = Omit<RuntimePolicy, "kind" | "document" | "metadata">;

interface WrittenDeduplication {
  readonly key: Expression | undefined;
  readonly within: number;
}
interface WrittenThreshold extends WrittenDeduplication {
  readonly count: number;
}
interface WrittenException extends Omit<RuntimeException, "expiresAtMs"> {
  readonly expiresAt: number | undefined;
}
interface WrittenSpec extends Omit<Spec, "deduplicate" | "threshold" | "exceptions"> {
  readonly deduplicate: WrittenDeduplication | undefined;
  readonly threshold: WrittenThreshold | undefined;
  readonly exceptions: readonly WrittenException[];
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const MAX_PATHS = 1_000;

const absolutePath: Shape<string> = checked(nonEmptyText, (path, spot) => {
  if (!path.startsWith("/")) spot.report("RESOURCE_INVALID_VALUE", `expected \`${spot.name}\` to be an absolute path, got \`${path}\``);
});

const technique: Shape<string> = checked(text, (read, spot) => {
  if (!/^T\d{4}(?:\.\d{3})?$/.test(read))
    spot.report("RESOURCE_INVALID_VALUE", `expected a technique of MITRE ATT&CK, got \`${read}\``, "such as `T1059.004`");
});

const match: Shape<RuntimeMatch> = record<RuntimeMatch>({
  events: required(listOf(oneOf<RuntimeEventName>(...RUNTIME_EVENTS), { min: 1 })),
  workloads: withDefault(labelSelector, EVERYTHING),
  paths: withDefault(listOf(absolutePath, { max: MAX_PATHS }), []),
});

const exception: Shape<WrittenException> = record<WrittenException>({
  name: required(nonEmptyText),
  expression: required(expression),
  reason: required(nonEmptyText),
  expiresAt: optional(timestamp),
});

const writtenSpec: Shape<WrittenSpec> = record<WrittenSpec>({
  match: required(match),
  variables: withDefault(variables, []),
  conditions: withDefault(matchConditions, []),
  exceptions: withDefault(listOf(exception, { max: 1_000 }), []),
  severity: withDefault(oneOf<RuntimeSeverity>(...RUNTIME_SEVERITIES), "Medium"),
  message: optional(expression),
  action: withDefault(oneOf<RuntimeAction>(...RUNTIME_ACTIONS), "Alert"),
  techniques: withDefault(listOf(technique, { max: 50 }), []),
  tags: withDefault(listOf(nonEmptyText, { max: 50 }), []),
  confidence: withDefault(integer(0, 100), 80),
  deduplicate: optional(
    record<WrittenDeduplication>({ key: optional(expression), within: withDefault(duration(1_000, DAY_MS), MINUTE_MS) }),
  ),
  threshold: optional(
    record<WrittenThreshold>({
      count: required(integer(2, 10_000)),
      within: required(duration(1_000, DAY_MS)),
      key: optional(expression),
    }),
  ),
});

export const runtimePolicySpec: Shape<Spec> = (value, spot) => {
  const written = writtenSpec(value, spot);
  if (written === undefined) return undefined;
  const { deduplicate, threshold, exceptions, ...rest } = written;
  if (written.action === "Refuse" && written.match.events.some((event) => event !== "process.exec")) {
    const hint = "everything else has happened when it is seen: `Kill` ends the process";
    spot.child("action").report("RESOURCE_INVALID_VALUE", "expected only `process.exec` in `match.events` for the action `Refuse`", hint);
    return undefined;
  }
  return {
    ...rest,
    exceptions: exceptions.map(({ expiresAt, ...more }) => ({ ...more, expiresAtMs: expiresAt })),
    deduplicate: { key: deduplicate?.key, withinMs: deduplicate?.within ?? MINUTE_MS },
    threshold: threshold && { key: threshold.key, count: threshold.count, withinMs: threshold.within },
  };
};

export type ParsedRuntimePolicy =
  | { readonly kind: "runtime"; readonly resource: RuntimePolicy }
  /** Of another kind. */
  | { readonly kind: "other" }
  | { readonly kind: "refused"; readonly diagnostics: readonly Diagnostic[] };

const read = resourceParser("RuntimePolicy", runtimePolicySpec);

/** Reads a document as a RuntimePolicy; says so when it is none. CEL texts inside are not compiled yet. */
export function parseRuntimePolicy(document: Document): ParsedRuntimePolicy {
  const { apiVersion, kind } = document.value;
  if (typeof apiVersion !== "string" || kind !== "RuntimePolicy") return { kind: "other" };
  const [group, version = ""] = apiVersion.split("/", 2);
  if (group !== VIGIL_GROUP) return { kind: "other" };
  if (version !== VIGIL_VERSION) {
    const code: PolicyResourceErrorCode = "RESOURCE_UNSUPPORTED_VERSION";
    const message = `expected version ${VIGIL_VERSION} of RuntimePolicy, got \`${version}\``;
    return { kind: "refused", diagnostics: [diagnose(document, ["apiVersion"], { code, message })] };
  }
  const problems: Diagnostic[] = [];
  const resource = read(new Spot(document, [], problems));
  return resource === undefined || problems.length > 0 ? { kind: "refused", diagnostics: problems } : { kind: "runtime", resource };
}
