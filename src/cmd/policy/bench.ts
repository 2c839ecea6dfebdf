/** `vigil policy bench`: what policies cost on given objects. */
import { formatDuration } from "../../lib/duration.ts";
import { judge } from "../../policy/judge.ts";
import type { Review, World } from "../../policy/review.ts";
import { reviewOfAdmissionRequest, reviewOfObject } from "../../policy/review-of.ts";
import type { Snapshot } from "../../policy/snapshot.ts";
import { type Document, readDocuments } from "../../resource/document.ts";
import { EXIT, type ExitCode } from "../command.ts";
import { type CompiledPolicies, compilePolicySet } from "../compile-policy-set.ts";
import { manifestFiles } from "../manifest-files.ts";
import { noteDiagnostics, noteError } from "../notes.ts";
import { worldOf } from "../object-world.ts";
import { readPolicySet } from "../policy-set.ts";
import { readInput } from "../read-input.ts";
import { alignColumns } from "../table.ts";
import type { Terminal } from "../terminal.ts";

export interface PolicyBenchOptions {
  readonly paths: readonly string[];
  readonly sources: readonly string[];
  /** Judgements of each object that are measured, after a tenth as many that are not. */
  readonly rounds: number;
  readonly format: "text" | "json";
}

interface PolicyCost {
  readonly policy: string;
  /** Per object that it matched. */
  readonly medianUs: number;
  readonly costUnits: number;
  readonly matched: number;
}

interface Measurement {
  readonly objects: number;
  readonly rounds: number;
  readonly compileMs: number;
  /** Per object, all policies together. */
  readonly medianUs: number;
  readonly p99Us: number;
  readonly policies: readonly PolicyCost[];
}

export async function benchPolicies(options: PolicyBenchOptions, terminal: Terminal): Promise<ExitCode> {
  const set = await readPolicySet(options.sources);
  const startMs = performance.now();
  const compiled = compilePolicySet(set, "bound");
  const compileMs = performance.now() - startMs;
  noteDiagnostics(terminal, compiled.diagnostics);
  const documents = await readObjects(options.paths, terminal);
  const reviews = documents.flatMap((document) => reviewOf(document, compiled) ?? []);
  if (reviews.length === 0) {
    noteError(terminal, "expected objects to judge, got none", "name manifests or AdmissionReviews");
    return EXIT.unable;
  }
  const objects = [...set.others, ...documents].map(({ value }) => value);
  const world = worldOf(objects, compiled.resourceTypeOf, Date.now());
  const measured = { ...measure(compiled.snapshot, reviews, world, options.rounds), compileMs };
  if (options.format === "json") terminal.printJson(measured);
  else terminal.print(textOf(measured, terminal));
  return EXIT.yes;
}

async function readObjects(paths: readonly string[], terminal: Terminal): Promise<readonly Document[]> {
  const { files, diagnostics } = await manifestFiles(paths);
  noteDiagnostics(terminal, diagnostics);
  return files.flatMap(({ path }) => {
    const read = readDocuments(readInput(path, terminal), path);
    noteDiagnostics(terminal, read.diagnostics);
    return read.documents;
  });
}

function reviewOf({ value }: Document, { resourceTypeOf }: CompiledPolicies): Review | undefined {
  const review = value["kind"] === "AdmissionReview" ? reviewOfAdmissionRequest(value) : reviewOfObject(value, { resourceTypeOf });
  return review.ok ? review.value : undefined;
}

const clockUs = (): number => performance.now() * 1_000;
const WARM_UP = 10;

function measure(snapshot: Snapshot, reviews: readonly Review[], world: World, rounds: number): Omit<Measurement, "compileMs"> {
  const judgeOne = (review: Review, clock?: () => number) =>
    judge(snapshot, review, world, { phase: "admit", unknownNamespaces: "bare", ...(clock && { clockUs: clock }) });
  for (let round = 0; round < rounds / WARM_UP; round++) for (const review of reviews) judgeOne(review);
  const wholeUs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const review of reviews) {
      const startUs = clockUs();
      judgeOne(review);
      wholeUs.push(clockUs() - startUs);
    }
  }
  wholeUs.sort((a, b) => a - b);
  return {
    objects: reviews.length,
    rounds,
    medianUs: quantile(wholeUs, 0.5),
    p99Us: quantile(wholeUs, 0.99),
    policies: costs(reviews, rounds, (review) => judgeOne(review, clockUs).verdicts),
  };
}

const quantile = (ascending: readonly number[], part: number): number =>
  ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * part))] ?? 0;

/** The share of each policy, from judgements of their own: reading the clock for every policy takes time as well. */
function costs(
  reviews: readonly Review[],
  rounds: number,
  verdictsOf: (review: Review) => ReturnType<typeof judge>["verdicts"],
): readonly PolicyCost[] {
  const samples = new Map<string, { readonly us: number[]; units: number }>();
  for (let round = 0; round < rounds; round++) {
    for (const review of reviews) {
      // Every verdict carries what its whole policy took: one of them speaks for all.
      for (const [policy, { durationUs, cost }] of new Map(verdictsOf(review).map((verdict) => [verdict.policy, verdict]))) {
        const sample = samples.get(policy) ?? { us: [], units: 0 };
        sample.us.push(durationUs);
        sample.units += cost;
        samples.set(policy, sample);
      }
    }
  }
  const each = [...samples].map(([policy, { us, units }]) => ({
    policy,
    medianUs: quantile(
      us.sort((a, b) => a - b),
      0.5,
    ),
    costUnits: Math.round(units / us.length),
    matched: us.length / rounds,
  }));
  return each.sort((a, b) => b.medianUs * b.matched - a.medianUs * a.matched);
}

function textOf({ objects, rounds, compileMs, medianUs, p99Us, policies }: Measurement, terminal: Terminal): string {
  const time = (us: number): string =>
    us < 1 ? `${Math.round(us * 1_000)} ns` : us < 10 ? `${us.toFixed(1)} µs` : formatDuration(us / 1_000);
  const rows = policies.map(({ policy, medianUs, costUnits, matched }) => [
    policy,
    time(medianUs),
    `${costUnits}`,
    `${Math.round(matched)}`,
  ]);
  return [
    ...alignColumns([["POLICY", "TIME", "COST UNITS", "OBJECTS"], ...rows], terminal.width),
    "",
    `${objects} ${objects === 1 ? "object" : "objects"} × ${rounds}: ${time(medianUs)} each for all policies (p99 ${time(p99Us)}); compiled in ${formatDuration(compileMs)}`,
  ].join("\n");
}
