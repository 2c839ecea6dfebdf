/** The built-in pack judges every case of Kubernetes' own Pod Security suite as Kubernetes does, at every version. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { worldOf } from "../../src/cmd/object-world.ts";
import type { JsonObject } from "../../src/lib/json.ts";
import { judge } from "../../src/policy/judge.ts";
import { reviewOfObject } from "../../src/policy/review-of.ts";
import { compileSnapshot } from "../../src/policy/snapshot.ts";
import { readDocuments } from "../../src/resource/document.ts";
import { parsePolicyResource } from "../../src/resource/policy-resource.ts";
import { ROOT } from "../source-tree.ts";

interface Case {
  readonly level: string;
  readonly version: string;
  readonly passes: boolean;
  readonly file: string;
}

const DATA = join(ROOT, "test/data/pod-security");

const cases: readonly Case[] = readFileSync(join(DATA, "cases.csv"), "utf8")
  .trim()
  .split("\n")
  .slice(1)
  .map((line) => {
    const [level = "", version = "", verdict = "", file = ""] = line.split(",");
    return { level, version, passes: verdict === "pass", file };
  });

const read = (path: string): readonly JsonObject[] => readDocuments(readFileSync(path), path).documents.map(({ value }) => value);

const pods = new Map([...new Set(cases.map(({ file }) => file))].map((file) => [file, read(join(DATA, "pods", file))[0] ?? {}]));

/** The restricted level includes the baseline, as in Kubernetes. */
function snapshotOf(level: string) {
  const paths = (level === "baseline" ? ["baseline"] : ["baseline", "restricted"]).map((name) =>
    join(ROOT, `packs/pod-security/${name}.yaml`),
  );
  const resources = paths.flatMap((path) =>
    readDocuments(readFileSync(path), path).documents.map((document) => {
      const parsed = parsePolicyResource(document);
      if (parsed.kind !== "policy") throw new Error(`${path}: ${JSON.stringify(parsed)}`);
      return parsed.resource;
    }),
  );
  const { snapshot, diagnostics } = compileSnapshot(resources, { schemaOf: () => undefined, random: () => 0, parseYaml: () => null });
  expect(diagnostics).toEqual([]);
  return snapshot;
}

const SNAPSHOTS = new Map(["baseline", "restricted"].map((level) => [level, snapshotOf(level)]));

const worldAt = (version: string) =>
  worldOf(
    [
      { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop", labels: { "pod-security.kubernetes.io/enforce": "restricted" } } },
      { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "pod-security", namespace: "vigil-system" }, data: { version } },
    ],
    () => undefined,
    0,
  );

/** Why the Pod is denied, or undefined when it is not. */
function denialOf({ level, version, file }: Case): string | undefined {
  const snapshot = SNAPSHOTS.get(level);
  const pod = pods.get(file) ?? {};
  const review = reviewOfObject(
    { ...pod, metadata: { ...(pod["metadata"] as JsonObject), namespace: "shop" } },
    { resourceTypeOf: () => undefined },
  );
  if (snapshot === undefined || !review.ok) throw new Error(`${file} cannot be reviewed`);
  const decision = judge(snapshot, review.value, worldAt(version), { phase: "validate" });
  return decision.allowed ? undefined : decision.message;
}

test("there are 4,537 cases of both levels", () => {
  expect(cases).toHaveLength(4537);
});

const versions = [...new Set(cases.map(({ level, version }) => `${level} ${version}`))];
test.each(versions)("%s is judged as Kubernetes does", (name) => {
  const [level = "", version = ""] = name.split(" ");
  const disagreements = cases
    .filter((each) => each.level === level && each.version === version)
    .map((each) => ({ ...each, denial: denialOf(each) }))
    .filter(({ passes, denial }) => passes !== (denial === undefined));
  expect(disagreements).toEqual([]);
});

test("no denial is an error of evaluation", () => {
  const denials = cases.filter(({ passes }) => !passes).map(denialOf);
  expect(denials.filter((denial) => denial === undefined || /error|no such/.test(denial))).toEqual([]);
});
