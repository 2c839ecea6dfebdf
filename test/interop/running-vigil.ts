/** `vigil up` for a trust domain of its own, with registrations, in a directory that goes with it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { environmentName } from "../../src/cmd/settings.ts";
import { type Outcome, startVigil, vigil } from "../command/run-vigil.ts";

export interface VigilOptions {
  readonly trustDomain: string;
  /** Resources, YAML. */
  readonly registrations?: string;
  readonly settings?: { readonly [key: string]: string };
}

export interface RunningVigil {
  readonly directory: string;
  /** The Workload API. */
  readonly socket: string;
  /** `https://HOST:PORT`, when `identity.bundleListen` is set. */
  readonly bundleUrl: string;
  ask(...words: readonly string[]): Outcome;
  /** Puts other registrations into force. */
  register(registrations: string): void;
  stop(): Promise<void>;
}

interface Ready {
  readonly on: readonly { readonly what: string; readonly where: string }[];
  readonly facts: { readonly [name: string]: string };
}

export async function runVigil({ trustDomain, registrations = "", settings = {} }: VigilOptions): Promise<RunningVigil> {
  const directory = mkdtempSync(join(tmpdir(), "vigil-interop-"));
  const state = join(directory, "state");
  mkdirSync(join(directory, "registrations"));
  const file = join(directory, "registrations/registrations.yaml");
  writeFileSync(file, registrations);
  const stated = { "identity.trustDomain": trustDomain, "identity.registrations": join(directory, "registrations"), ...settings };
  const environment = Object.fromEntries(Object.entries(stated).map(([key, value]) => [environmentName(key), value]));
  const service = startVigil(["up", "--state", state, "--listen", "127.0.0.1:0", "-o", "json"], { environment });
  await service.until(/\}\s*$/);
  const { on, facts }: Ready = JSON.parse(service.stdout());
  return {
    directory,
    socket: facts["agentSocket"] ?? "",
    bundleUrl: on.find(({ what }) => what === "bundle endpoint")?.where ?? "",
    ask: (...words) => vigil([...words, "--state", state], { environment }),
    register: (text) => writeFileSync(file, text),
    stop: async () => {
      await service.stop("SIGTERM");
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The document of a workload: the processes of this user that run this program. */
export const workloadOf = (name: string, program: string, spec: object = {}): string =>
  `---\n${JSON.stringify({
    apiVersion: "vigil.dev/v1alpha1",
    kind: "Workload",
    metadata: { name },
    spec: { selectors: [`unix:uid:${process.getuid?.()}`, `unix:path:${program}`], ...spec },
  })}\n`;
