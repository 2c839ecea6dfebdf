/** Conflicts for people, for programs, and as SARIF 2.1.0 for code hosts. */
import type { Diagnostic } from "../../lib/diagnostic.ts";
import { formatIpAddress } from "../../lib/ip-network.ts";
import { encodeJson } from "../../lib/json.ts";
import type { PolicyOrigin } from "../../policy/access/access-rule.ts";
import type { Call, Endpoint } from "../../policy/access/endpoint.ts";
import type { AdmissionConflicts, AdmissionFinding } from "../../policy/admission-conflict/admission-finding.ts";
import type { PathStep } from "../../policy/conflict/call-graph.ts";
import type { Conflicts, Finding, FindingKind, Witness } from "../../policy/conflict/finding.ts";
import { notificationOf, SARIF_SCHEMA, uriOf } from "../check/sarif.ts";
import type { Style, Terminal } from "../terminal.ts";

const COLOURS: { readonly [S in Finding["severity"]]: Style } = { error: "red", warning: "yellow", note: "cyan" };

const titleOf = ({ policy, rule }: PolicyOrigin): string => (rule === "" ? policy : `${policy} ${rule}`);

/** Of both families of policies. */
export interface AllConflicts {
  readonly access: Conflicts;
  readonly admission: AdmissionConflicts;
}

export function conflictLines({ access, admission }: AllConflicts, terminal: Terminal): readonly string[] {
  const { findings, paths, rules, unknown, unknownCalls, isComplete } = access;
  const shown = [
    ...findings.flatMap((finding) => [...findingLines(finding, paths.get(finding), terminal), ""]),
    ...admission.findings.flatMap((finding) => [...admissionLines(finding, terminal), ""]),
  ];
  const all = [...findings, ...admission.findings];
  const count = (severity: Finding["severity"]): number => all.filter((finding) => finding.severity === severity).length;
  const [errors, warnings, notes] = [count("error"), count("warning"), count("note")];
  const summary = `${counted(rules, "rule")}: ${counted(errors, "error")}, ${counted(warnings, "warning")}, ${counted(notes, "note")}`;
  const unknowns = [
    [unknown, "rule", "their conditions cannot be compared"],
    [unknownCalls, "call", "conditions ask what was not recorded"],
    [admission.unknown, "pair of mutations", "no object was found on which both do something"],
  ] as const;
  const left = unknowns.flatMap(([many, what, why]) => (many === 0 ? [] : [`; of ${counted(many, what)} it is unknown, for ${why}`]));
  return [
    ...shown,
    `${summary}${left.join("")}`,
    ...(isComplete ? [] : ["too many pairs of rules to compare all: there may be more findings"]),
  ];
}

function admissionLines({ kind, severity, rule, against, message, example }: AdmissionFinding, terminal: Terminal): readonly string[] {
  return [
    `${terminal.style(COLOURS[severity], `${severity}: ${kind}`)}  ${terminal.style("bold", titleOf(rule))}  ${terminal.style("dim", rule.source)}`,
    `  ${message}`,
    ...(against === undefined ? [] : [`  ${terminal.style("dim", `the other: ${against.source}`)}`]),
    ...(example === undefined ? [] : [`  for example: ${encodeJson(example.object)}`]),
  ];
}

/** A finding for people, on several lines. */
function findingLines(
  { kind, severity, rule, against, message, witness }: Finding,
  path: readonly PathStep[] | undefined,
  terminal: Terminal,
): readonly string[] {
  const dim = (text: string): string => terminal.style("dim", text);
  return [
    `${terminal.style(COLOURS[severity], `${severity}: ${kind}`)}  ${terminal.style("bold", titleOf(rule))}  ${dim(rule.source)}`,
    `  ${message}`,
    ...(against === undefined ? [] : [`  ${dim(`the other: ${against.source}`)}`]),
    ...(witness === undefined ? [] : [`  for example: ${exampleText(witness)}`]),
    ...(path === undefined ? [] : [`  path: ${pathText(path)}`]),
  ];
}

/** `front → orders [route=checkout] → payments [limit=100|200]`: labels stand behind the end to which their call goes. */
function pathText(path: readonly PathStep[]): string {
  const steps = path.map(({ to, labels }) => {
    const marks = Object.entries(labels).map(([name, values]) => `${name}=${values.join("|")}`);
    return marks.length === 0 ? to : `${to} [${marks.join(", ")}]`;
  });
  return [path[0]?.from ?? "", ...steps].join(" → ");
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;

function exampleText({ call, verdict, ground }: Witness): string {
  const { source, destination, sourceAddress, destinationAddress, destinationNames, protocol, port, request } = call;
  const ends = `${endText(source, sourceAddress)} → ${destinationNames[0] ?? endText(destination, destinationAddress)}`;
  const what = request === undefined ? "" : `, ${request.method} ${request.path}`;
  const by = ground.origin === undefined ? "by default" : `by ${titleOf(ground.origin)}`;
  return `${ends}, ${protocol} ${port}${what}: ${verdict === "allow" ? "allowed" : "denied"} ${by} (${ground.direction}, ${ground.tier})`;
}

function endText({ kind, name, namespace, labels, namespaceLabels, spiffeId }: Endpoint, address: Uint8Array): string {
  if (spiffeId !== "") return spiffeId;
  const listed = (all: Endpoint["labels"]): string =>
    Object.entries(all)
      .map(([key, value]) => `${key}=${value}`)
      .join(",");
  const place = namespace === "" && Object.keys(namespaceLabels).length > 0 ? `[${listed(namespaceLabels)}]` : namespace;
  if (name !== "") return place === "" ? name : `${place}/${name}`;
  const marks = listed(labels);
  if (kind === "external") return formatIpAddress(address);
  return `${kind}${marks === "" ? "" : ` ${marks}`}${place === "" ? "" : ` in ${place}`}`;
}

export const conflictsAsJson = ({ access, admission }: AllConflicts): unknown => ({
  rules: access.rules,
  unknown: access.unknown,
  unknownCalls: access.unknownCalls,
  unknownMutations: admission.unknown,
  complete: access.isComplete,
  findings: [
    ...access.findings.map((finding) => ({
      ...findingAsJson(finding),
      ...(access.paths.has(finding) && { path: access.paths.get(finding) }),
    })),
    ...admission.findings.map(({ against, example, ...finding }) => ({
      ...finding,
      ...(against !== undefined && { against }),
      ...(example !== undefined && { example }),
    })),
  ],
});

const findingAsJson = ({ witness, against, ...finding }: Finding): object => ({
  ...finding,
  ...(against !== undefined && { against }),
  ...(witness !== undefined && {
    witness: { verdict: witness.verdict, ground: witness.ground, call: callAsJson(witness.call) },
  }),
});

const callAsJson = ({ sourceAddress, destinationAddress, ...call }: Call): unknown => ({
  ...call,
  sourceAddress: formatIpAddress(sourceAddress),
  destinationAddress: formatIpAddress(destinationAddress),
});

const RULES: { readonly [K in FindingKind | AdmissionFinding["kind"]]: string } = {
  contradiction: "An allow and a deny are about the same calls",
  shadowed: "A rule never decides, since another is always asked before it",
  redundant: "Another rule says the same for each call that a rule matches",
  dead: "A rule matches no call",
  gap: "A call that was seen is allowed by no policy",
  unused: "An allow was used by no call that was seen",
  "label-clash": "Two allows give a label of the same calls different values",
  "mutation-clash": "Two mutating policies set one field differently",
  "unreachable-exception": "An exception exempts nothing",
};

export function conflictsAsSarif({ access, admission }: AllConflicts, diagnostics: readonly Diagnostic[], version: string): unknown {
  const kinds = Object.keys(RULES);
  const run = {
    tool: {
      driver: {
        name: "Vigil",
        version,
        rules: Object.entries(RULES).map(([id, text]) => ({ id: `conflict/${id}`, shortDescription: { text } })),
      },
    },
    invocations: [
      {
        executionSuccessful: !diagnostics.some(({ severity }) => severity === "error"),
        toolExecutionNotifications: diagnostics.map(notificationOf),
      },
    ],
    results: [
      ...access.findings.map((finding) => resultOf(finding, kinds.indexOf(finding.kind), finding.witness && exampleText(finding.witness))),
      ...admission.findings.map((finding) => resultOf(finding, kinds.indexOf(finding.kind), undefined)),
    ],
    columnKind: "utf16CodeUnits",
  };
  return { $schema: SARIF_SCHEMA, version: "2.1.0", runs: [run] };
}

const resultOf = (
  { kind, severity, rule, against, message }: Finding | AdmissionFinding,
  ruleIndex: number,
  example: string | undefined,
): unknown => ({
  ruleId: `conflict/${kind}`,
  ruleIndex,
  level: severity,
  message: { text: `${titleOf(rule)}: ${message}${example === undefined ? "" : `; for example ${example}`}` },
  locations: rule.source === "" ? [] : [{ ...locationOf(rule), logicalLocations: [{ fullyQualifiedName: titleOf(rule), kind: "object" }] }],
  ...(against !== undefined && { relatedLocations: [{ id: 1, ...locationOf(against), message: { text: titleOf(against) } }] }),
});

/** `file:line:column`, of which the file may have colons. */
function locationOf({ source }: PolicyOrigin): { readonly physicalLocation: unknown } {
  const [, file = source, line = "1", column = "1"] = /^(.*):(\d+):(\d+)$/s.exec(source) ?? [];
  return {
    physicalLocation: { artifactLocation: { uri: uriOf(file) }, region: { startLine: Number(line), startColumn: Number(column) } },
  };
}
