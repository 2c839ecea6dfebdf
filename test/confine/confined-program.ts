/** Starts programs confined, for the tests of what they can then do. */
import { once } from "node:events";
import { type ConfinedProgram, type Confinement, launchConfined } from "../../src/confine/confined-launch.ts";
import type { LaunchEnd } from "../../src/confine/launch.ts";

export const CONFINEMENT: Confinement = {
  name: "test",
  profile: undefined,
  isComplaining: false,
  usesLandlock: false,
  network: "none",
  writable: [],
  readable: [],
  capabilities: [],
  identity: undefined,
  limits: { processes: 64 },
  temporaryBytes: 16 * 1024 * 1024,
  isOnTerminal: false,
};

export interface Outcome {
  readonly end: LaunchEnd;
  readonly output: string;
  readonly errors: string;
}

export interface Attempt extends Partial<Confinement> {
  readonly directory?: string;
  readonly environment?: ConfinedProgram["environment"];
  /** Called once it is started. `untilSaid` resolves when its output has a text. */
  readonly whileRunning?: (kill: (signal: NodeJS.Signals) => void, untilSaid: (text: string) => Promise<void>) => Promise<void>;
}

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Runs a command to its end. The cgroup is removed by then. */
export async function runConfined(command: readonly string[], attempt: Attempt = {}): Promise<Outcome> {
  const { directory = "/", environment = { PATH }, whileRunning, ...confinement } = attempt;
  const [name = "", ...args] = command;
  const { launched, cgroup } = await launchConfined(
    { command: name, args, environment, directory },
    { ...CONFINEMENT, ...confinement },
    { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
    { scratchDirectory: "/tmp", stdio: ["ignore", "pipe", "pipe"] },
  );
  const texts = { output: "", errors: "" };
  const { stdout, stderr } = launched.child;
  if (stdout === null || stderr === null) throw new Error("expected pipes");
  const closed = Promise.all([once(stdout, "close"), once(stderr, "close")]);
  stderr.setEncoding("utf8").on("data", (chunk) => {
    texts.errors += chunk;
  });
  stdout.setEncoding("utf8").on("data", (chunk) => {
    texts.output += chunk;
  });
  try {
    const untilSaid = async (text: string): Promise<void> => {
      while (!texts.output.includes(text)) await once(stdout, "data");
    };
    await whileRunning?.((signal) => launched.kill(signal), untilSaid);
    const end = await launched.ended;
    await closed;
    return { end, ...texts };
  } finally {
    await cgroup.remove();
  }
}
