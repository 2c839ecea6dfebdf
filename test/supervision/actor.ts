/** A process for the tests of the supervisor: it plays the part that its settings name. */
import { appendFileSync } from "node:fs";
import { type Running, runSupervised } from "../../src/cmd/run-supervised.ts";
import { VigilError } from "../../src/lib/error.ts";

export interface Part {
  readonly part: "works" | "refuses" | "crashes early" | "never ready" | "will not end";
  readonly name: string;
  /** Gets a line for everything that happens. */
  readonly diary: string;
}

function play({ part, name, diary }: Part): Promise<Running> | Running {
  const write = (what: string): void => appendFileSync(diary, `${name} ${what}\n`);
  write("starts");
  if (part === "refuses") throw new VigilError("PORT_TAKEN", "port 1 is taken", { hint: "use another" });
  if (part === "crashes early") process.exit(7);
  if (part === "never ready") return new Promise(() => setInterval(() => {}, 1_000));
  const drain = async (): Promise<void> => {
    write("drains");
    if (part === "will not end") await new Promise(() => setInterval(() => {}, 1_000));
  };
  const onProcesses: Running["onProcesses"] = (processes) => write(`hears ${processes.map((process) => process.state).join(",")}`);
  return { report: { on: [{ what: name, where: "here" }], off: [], facts: {} }, drain, onProcesses };
}

runSupervised(async (settings) => play(JSON.parse(JSON.stringify(settings))));
