/** The authority and the agent as `vigil up` runs them, each a process of its own that a test starts and kills. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeAgentSettings } from "../../src/cmd/agent/settings.ts";
import { encodeAuthoritySettings } from "../../src/cmd/authority/settings.ts";
import type { FromProcess } from "../../src/cmd/process-message.ts";
import { environmentName, resolveSettings } from "../../src/cmd/settings.ts";
import { SMALL_NURSERY } from "../../src/cmd/small-nursery.ts";
import type { JsonValue } from "../../src/lib/json.ts";
import { ROOT } from "../source-tree.ts";

export class RealProcess {
  readonly #entry: string;
  readonly #execArgv: readonly string[];
  readonly #settings: JsonValue;
  #child: ChildProcess | undefined;
  #ready: Promise<void> = Promise.reject(new Error("not started"));
  #log = "";

  constructor(name: "authority" | "agent", settings: JsonValue) {
    this.#execArgv = name === "agent" ? SMALL_NURSERY : [];
    this.#entry = join(ROOT, `src/cmd/${name}.ts`);
    this.#settings = settings;
    this.#ready.catch(() => {});
  }

  /** Does not wait until it works: see `ready`. */
  start(): void {
    const child = fork(this.#entry, [], { stdio: ["ignore", "ignore", "pipe", "ipc"], execArgv: [...this.#execArgv] });
    child.stderr?.on("data", (chunk) => {
      this.#log = `${this.#log}${chunk}`.slice(-100_000);
    });
    child.send({ kind: "start", settings: this.#settings }, () => {});
    this.#child = child;
    this.#ready = new Promise((resolve, reject) => {
      child.once("exit", () => reject(new Error(`it has ended: ${this.#log}`)));
      child.on("message", (message: FromProcess) => {
        if (message.kind === "ready") resolve();
        if (message.kind === "refused") reject(new Error(`${message.code}: ${message.message}`));
      });
    });
    this.#ready.catch(() => {});
  }

  /** Rejects when it ends before it works. */
  ready(): Promise<void> {
    return this.#ready;
  }

  /** With the signal that no process sees coming. Resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child?.kill("SIGKILL") === true) await once(child, "exit");
  }

  /** 0 when it does not run. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** The end of what it wrote to its log. */
  get log(): string {
    return this.#log;
  }
}

export interface Installation {
  readonly directory: string;
  readonly authority: RealProcess;
  readonly agent: RealProcess;
  readonly authoritySocket: string;
  readonly agentSocket: string;
  /** Kills both, and removes what they kept. */
  remove(): Promise<void>;
}

/** Nothing runs yet. `registrations` are resources, YAML. */
export function prepareInstallation(registrations: string, settings: { readonly [key: string]: string } = {}): Installation {
  const directory = mkdtempSync(join(tmpdir(), "vigil-processes-"));
  mkdirSync(join(directory, "registrations"));
  writeFileSync(join(directory, "registrations/registrations.yaml"), registrations);
  const environment = Object.fromEntries(Object.entries(settings).map(([key, value]) => [environmentName(key), value]));
  const resolved = resolveSettings({ flags: {}, environment, file: undefined });
  if (!resolved.ok) throw new Error(JSON.stringify(resolved.error));
  const configuration = { ...resolved.value.values, "state.directory": directory };
  const names = { user: { uid: process.getuid?.() ?? 0, name: "tester" }, webhookNames: { dnsNames: [], ipAddresses: [] } };
  const authority = new RealProcess("authority", encodeAuthoritySettings({ stateDirectory: directory, configuration, ...names }));
  const agent = new RealProcess("agent", encodeAgentSettings({ stateDirectory: directory, configuration }));
  return {
    directory,
    authority,
    agent,
    authoritySocket: join(directory, "authority.sock"),
    agentSocket: join(directory, "agent.sock"),
    remove: async () => {
      await Promise.all([authority.kill(), agent.kill()]);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
