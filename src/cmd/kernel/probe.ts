/** `vigil kernel probe`. */
import { release } from "node:os";
import { KernelProbe } from "../../ebpf/kernel/probe.ts";
import { effectiveCapabilities } from "../../linux/capabilities.ts";
import { readMounts } from "../../linux/mounts.ts";
import { nativeProblem } from "../../linux/native.ts";
import { EXIT, type ExitCode } from "../command.ts";
import { noteError } from "../notes.ts";
import { wrapColumns } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { type Feature, findFeatures } from "./feature.ts";

const NEEDED = ["CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN"] as const;

export function probeKernel(format: "text" | "json", terminal: Terminal): ExitCode {
  const problem = nativeProblem();
  if (problem !== undefined) {
    noteError(terminal, problem.message, problem.hint);
    return EXIT.unable;
  }
  const features = findFeatures(new KernelProbe(), readMounts());
  const held = effectiveCapabilities();
  const missing = held.has("CAP_SYS_ADMIN") ? [] : NEEDED.filter((name) => !held.has(name));
  if (format === "json") {
    terminal.printJson({ kernel: release(), missingCapabilities: missing, features: features.map(jsonOf) });
    return exitCodeOf(features);
  }
  const rows = features.map((feature) => [
    feature.name,
    answerOf(feature, terminal),
    feature.usedFor || terminal.style("dim", "-"),
    reasonOf(feature),
  ]);
  for (const line of wrapColumns([["FEATURE", "ANSWER", "USED FOR", "REASON"], ...rows], terminal.width)) terminal.print(line);
  conclude(features, missing, terminal);
  return exitCodeOf(features);
}

const jsonOf = ({ name, usedFor, availability }: Feature): unknown => ({
  name,
  usedFor: usedFor || null,
  answer: availability.kind,
  reason: availability.kind === "available" ? null : availability.reason,
});

function answerOf({ availability: { kind } }: Feature, terminal: Terminal): string {
  switch (kind) {
    case "available":
      return terminal.style("green", "available");
    case "unavailable":
      return terminal.style("red", "not available");
    case "unknown":
      return terminal.style("yellow", "could not find out");
    default:
      return kind satisfies never;
  }
}

const reasonOf = ({ availability }: Feature): string => (availability.kind === "available" ? "" : availability.reason);

function conclude(features: readonly Feature[], missing: readonly string[], terminal: Terminal): void {
  if (missing.length > 0) {
    terminal.note(`this user lacks ${missing.join(", ")}: programs cannot be loaded, so nothing that Vigil does in the kernel works`);
    terminal.note("  run it as root; checking policies, admission and identity work without");
    return;
  }
  const off = new Set(
    features.filter(({ availability }) => availability.kind !== "available").flatMap(({ usedFor }) => usedFor.split(", ")),
  );
  off.delete("");
  if (off.size > 0) terminal.note(`not everything is there: ${[...off].join(", ")} will be off or do less`);
}

function exitCodeOf(features: readonly Feature[]): ExitCode {
  const used = features.filter(({ usedFor }) => usedFor !== "").map(({ availability }) => availability.kind);
  if (used.includes("unknown")) return EXIT.unable;
  return used.includes("unavailable") ? EXIT.no : EXIT.yes;
}
