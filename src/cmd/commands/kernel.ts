import { type Command, defineCommand } from "../command.ts";
import { FORMAT_FLAG } from "../flags.ts";

export const kernelProbeCommand: Command = defineCommand({
  path: "kernel probe",
  summary: "find out what this kernel offers to Vigil, and what is lacking",
  description:
    "Tries each thing for a moment and undoes it. There are three answers: available, not available because of something, could not find out.",
  operands: [],
  flags: { format: FORMAT_FLAG },
  examples: [{ line: "vigil kernel probe", says: "best as root" }],
  exitCodes: { 0: "all that Vigil uses is there", 1: "something is not there", 2: "something could not be found out" },
  async run({ flags, terminal }) {
    const { probeKernel } = await import("../kernel/probe.ts");
    return probeKernel(flags.format, terminal);
  },
});

export const kernelShowCommand: Command = defineCommand({
  path: "kernel show",
  summary: "list the programs, maps, links and pins in the kernel, and who holds them",
  description: "Shows those of every process, Vigil's own among them. What is pinned by Vigil stays when Vigil ends, on purpose.",
  operands: [],
  flags: {
    measure: { kind: "duration", value: "TIME", summary: "count runs and their time for so long, 100ms to 10m, and show them" },
    format: FORMAT_FLAG,
  },
  examples: [{ line: "vigil kernel show --measure 1s", says: "what programs cost, as root" }],
  exitCodes: { 0: "listed", 2: "this user may not see it" },
  async run({ flags, terminal }) {
    const { showKernel } = await import("../kernel/show.ts");
    return showKernel({ measureMs: flags.measure, format: flags.format }, terminal);
  },
});

export const kernelCleanCommand: Command = defineCommand({
  path: "kernel clean",
  summary: "remove what Vigil has pinned in the kernel",
  description: "A program that only its pin kept attached is detached by that. What running processes hold goes on.",
  operands: [{ name: "OWNER[/NAME]", summary: "what `vigil kernel show` lists under pins; everything when not given", arity: "any" }],
  flags: {
    "dry-run": { kind: "boolean", short: "n", summary: "show what would be removed" },
    format: FORMAT_FLAG,
  },
  examples: [{ line: "vigil kernel clean --dry-run", says: "what would be removed" }],
  exitCodes: { 0: "removed, or nothing was pinned", 1: "what was named is not pinned", 2: "it could not be removed" },
  async run({ operands, flags, terminal }) {
    const { cleanKernel } = await import("../kernel/clean.ts");
    return cleanKernel({ names: operands, isDryRun: flags["dry-run"], format: flags.format }, terminal);
  },
});
