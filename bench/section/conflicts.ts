/** Conflicts of access policies: time and heap for many services and policies, and what is found of planted defects. */
import { compileAccessSet } from "../../src/policy/access/access-set.ts";
import { decideAccess } from "../../src/policy/access/decide-access.ts";
import { endpoint } from "../../src/policy/access/endpoint.ts";
import { findConflicts } from "../../src/policy/conflict/conflict-analysis.ts";
import { type AccessResource, parseAccessResource } from "../../src/resource/access-resource.ts";
import { readDocuments } from "../../src/resource/document.ts";
import { cpuNs, median } from "../measure.ts";
import type { Section, Target } from "../report.ts";

const NOW = { nowMs: 1_790_000_000_000 };
const ROUNDS = 5;
/** Of how many policies one is planted as each kind of defect. */
const EVERY = 20;

interface Corpus {
  readonly resources: readonly AccessResource[];
  /** `kind policy`. */
  readonly planted: ReadonlySet<string>;
}

/** Policies each about a service of its own, and among them defects of which each is about one of those. */
export function corpus(count: number): Corpus {
  const planted = new Set<string>();
  const texts = Array.from({ length: count }, (_, i) => {
    const defect = i % EVERY;
    const about = i - defect;
    const name = `p${i}`;
    const kinds: Readonly<Record<number, string>> = { 1: "redundant", 2: "contradiction", 3: "shadowed", 4: "dead" };
    if (kinds[defect] !== undefined)
      planted.add(`${kinds[defect]} ${defect === 3 ? "ClusterNetworkPolicy " : "AccessPolicy shop/"}${name}`);
    switch (defect) {
      case 1:
        return policy(name, { to: `s${about}`, from: `s${about + 7}`, ports: [443] });
      case 2:
        // Denied by number 5 of its group.
        return policy(name, { to: `d${about}`, from: `s${about + 7}`, ports: [443] });
      case 3:
        return cluster(name, 20, "Accept", `c${about}`, `t${i % 7}`);
      case 4:
        return policy(name, { to: "s1", from: "s2", ports: [443], also: '{key: app, operator: NotIn, values: ["s1"]}' });
      case 5:
        return policy(name, { to: `d${about}`, from: `s${about + 7}`, ports: [], action: "Deny" });
      case 6:
        return cluster(name, 10, "Deny", `c${about}`, "");
      default:
        return policy(name, { to: `s${i}`, from: `s${i + 7}`, ports: defect === 0 ? [] : [443, 8443] });
    }
  });
  return { resources: read(texts), planted };
}

interface Written {
  readonly to: string;
  readonly from: string;
  readonly ports: readonly number[];
  readonly action?: string;
  readonly also?: string;
}

const policy = (name: string, { to, from, ports, action = "Allow", also = "" }: Written): string => `
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: {name: ${name}, namespace: shop}
spec:
  to: [{selector: {matchLabels: {app: ${to}}, matchExpressions: [${also}]}}]
  from: [{labels: {app: ${from}}}]
  ports: [${ports.join(", ")}]
  action: ${action}
`;

const cluster = (name: string, priority: number, action: string, app: string, team: string): string => `
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: ${name}}
spec:
  tier: Admin
  priority: ${priority}
  subject: {pods: {podSelector: {matchLabels: {app: ${app}}}}}
  ingress: [{action: ${action}, from: [{namespaces: {${team === "" ? "" : `matchLabels: {team: ${team}}`}}}]}]
`;

function read(texts: readonly string[]): readonly AccessResource[] {
  return texts.flatMap((text) =>
    readDocuments(text, "<bench>").documents.map((document) => {
      const parsed = parseAccessResource(document);
      if (parsed.kind !== "access") throw new Error(`not a policy: ${JSON.stringify(parsed)}`);
      return parsed.resource;
    }),
  );
}

interface Sample {
  readonly ms: number;
  readonly heapMiB: number;
  readonly rules: number;
  readonly found: number;
  readonly planted: number;
  readonly falseFindings: number;
  readonly replayed: number;
}

function measure(count: number): Sample {
  const { resources, planted } = corpus(count);
  const { set, diagnostics } = compileAccessSet(resources);
  if (diagnostics.length > 0) throw new Error(diagnostics[0]?.message);
  const inventory = Array.from({ length: count }, (_, i) =>
    ["s", "d", "c"].map((kind) =>
      endpoint("workload", {
        name: `${kind}${i}`,
        namespace: "shop",
        labels: { app: `${kind}${i}` },
        namespaceLabels: { team: `t${i % 7}` },
      }),
    ),
  ).flat();
  // Services 0 to count + 7 are called by name in the policies.
  for (let i = count; i < count + 8; i++)
    inventory.push(endpoint("workload", { name: `s${i}`, namespace: "shop", labels: { app: `s${i}` } }));
  const ask = (): ReturnType<typeof findConflicts> => findConflicts(set, { ...NOW, inventory });
  const before = process.memoryUsage().heapUsed;
  const first = ask();
  const heapMiB = (process.memoryUsage().heapUsed - before) / 2 ** 20;
  const times = Array.from({ length: ROUNDS }, () => {
    const from = cpuNs();
    ask();
    return (cpuNs() - from) / 1e6;
  });
  if (!first.isComplete || first.unknown > 0) throw new Error("expected everything to be compared");
  const told = first.findings.map(({ kind, rule }) => `${kind} ${rule.policy}`);
  const replayed = first.findings.filter(({ witness }) => {
    if (witness === undefined) return false;
    const again = decideAccess(set, witness.call, NOW);
    if (again.verdict !== witness.verdict) throw new Error("an example decides otherwise when it is replayed");
    return true;
  }).length;
  return {
    ms: median(times),
    heapMiB,
    rules: first.rules,
    found: new Set(told.filter((each) => planted.has(each))).size,
    planted: planted.size,
    falseFindings: told.filter((each) => !planted.has(each)).length,
    replayed,
  };
}

export async function conflicts(): Promise<Section> {
  measure(1_000);
  const thousand = measure(1_000);
  const tenThousand = measure(10_000);
  const atMost = (what: string, value: number, limit: number): Target => ({ what, goal: `≤ ${limit}`, value, met: value <= limit });
  const recall = Math.min(...[thousand, tenThousand].map(({ found, planted }) => found / planted));
  return {
    title: "Conflicts of access policies",
    notes: [
      "A generator plants redundant, contradicting, shadowed and dead rules among policies that are about services of their own; an inventory has all of these services, three for each policy.",
      "The whole analysis in a warm process, CPU time, median of five; heap is what the first one adds without a collection. Reading and compiling the policies is not counted.",
      "The generator plants what the analysis can decide, one against one: recall says nothing of conflicts outside of it.",
    ],
    columns: ["policies", "rules", "time", "heap", "planted", "found", "false findings", "examples replayed"],
    rows: [["1,000", thousand] as const, ["10,000", tenThousand] as const].map(
      ([count, { ms, heapMiB, rules, planted, found, falseFindings, replayed }]) => [
        count,
        `${rules}`,
        `${ms.toFixed(1)} ms`,
        `${heapMiB.toFixed(0)} MiB`,
        `${planted}`,
        `${found}`,
        `${falseFindings}`,
        `${replayed}`,
      ],
    ),
    targets: [
      atMost("1,000 services, ms", thousand.ms, 67),
      atMost("10,000 services and policies, ms", tenThousand.ms, 1_000),
      { what: "recall of planted defects, %", goal: "≥ 99", value: recall * 100, met: recall >= 0.99 },
      atMost("false findings", thousand.falseFindings + tenThousand.falseFindings, 0),
    ],
  };
}
