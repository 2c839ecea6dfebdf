/** What the network process does: follows the files, keeps the kernel's part in force, hears the services, and tells of flows. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { cgroupAttestor, launchedAttestor } from "../../identity/attestation/launched-attestor.ts";
import { systemdAttestor } from "../../identity/attestation/systemd-attestor.ts";
import type { Entry } from "../../identity/authority/entry.ts";
import { SelectorIndex } from "../../identity/selector-index.ts";
import { writeFileAtomic } from "../../lib/atomic-write.ts";
import type { Diagnostic } from "../../lib/diagnostic.ts";
import { messageOf, VigilError } from "../../lib/error.ts";
import { isInInitialCgroupNamespace } from "../../linux/peer-credentials.ts";
import type { AccessSet } from "../../policy/access/access-set.ts";
import { readBootClock } from "../../sensor/boot-clock.ts";
import { parseTrustDomain, type TrustDomain } from "../../spiffe/spiffe-id.ts";
import { EventForwarder } from "../event-forwarder.ts";
import { enforcementSocket, registrationPaths } from "../identity-sockets.ts";
import { instanceOf, launchNotesDirectory } from "../installation-instance.ts";
import type { Log } from "../log.ts";
import type { ReadyReport } from "../process-message.ts";
import { EnforcementLinks } from "./enforcement-links.ts";
import { FlowAggregate } from "./flow-aggregate.ts";
import { flowOfLookup, flowOfProcess, KernelFlows } from "./flow-fields.ts";
import { type FollowedFiles, followFiles } from "./followed-files.ts";
import { isPlacedElsewhere } from "./inventory.ts";
import { KernelLayer } from "./kernel-layer.ts";
import { NameProxy } from "./name-proxy.ts";
import type { NetworkSettings } from "./settings.ts";

const WHAT = "network";
const TICK_MS = 1_000;
const EVENTS_PER_DRAIN_MS = 1_000;
/** Services that enforced for the process before are given so long to say it again. */
const RECONNECT_MS = 10_000;
/** Timers beyond it would fire at once. */
const MAX_TIMER_MS = 60 * 60 * 1000;
const MAX_TOLD = 20;

type Off = ReadyReport["off"][number];

export class NetworkPlane {
  readonly #settings: NetworkSettings;
  readonly #log: Log;
  readonly #forwarder: EventForwarder;
  readonly #flows: FlowAggregate;
  readonly #kernel: KernelLayer;
  readonly #links: EnforcementLinks;
  readonly #names: NameProxy;
  readonly #stopping = new AbortController();
  readonly #kernelFlows: KernelFlows;
  #files: FollowedFiles | undefined;
  #entries: ReadonlyMap<string, Entry> = new Map();
  #index = new SelectorIndex<Entry>();
  #byId: ReadonlyMap<string, Entry> = new Map();
  /** Who enforced for the process before, while they may come back. */
  #expected: ReadonlySet<string> = new Set();
  #off: Off | undefined;
  #lastProblem = "";
  #expiry: NodeJS.Timeout | undefined;
  #tick: NodeJS.Timeout | undefined;

  constructor(settings: NetworkSettings, log: Log) {
    const { stateDirectory, configuration } = settings;
    this.#settings = settings;
    this.#log = log;
    this.#kernelFlows = new KernelFlows(readBootClock().bootNs);
    this.#forwarder = new EventForwarder({ stateDirectory, producer: WHAT, log });
    this.#flows = new FlowAggregate({
      emit: (flow) => this.#forwarder.flowed(flow),
      onGap: (count) => this.#forwarder.missed({ count, reason: "ring_full" }),
    });
    this.#kernel = new KernelLayer({
      stateDirectory,
      configuration,
      onFlow: (flow) => {
        const fields = this.#kernelFlows.fieldsOf(flow);
        if (fields !== undefined) this.#flows.add(fields);
      },
      onLoss: (count) => this.#flows.miss(count),
    });
    this.#names = new NameProxy({
      configuration,
      onLookup: (lookup) => this.#flows.add(flowOfLookup(lookup, BigInt(Date.now()) * 1_000_000n)),
      log,
    });
    const isAgentInContainer = !isInInitialCgroupNamespace();
    this.#links = new EnforcementLinks({
      path: enforcementSocket(stateDirectory, configuration),
      attestors: [
        launchedAttestor({
          instance: instanceOf(stateDirectory),
          notesDirectory: launchNotesDirectory(stateDirectory),
          isAgentInContainer,
        }),
        systemdAttestor({ isAgentInContainer }),
        cgroupAttestor({ isAgentInContainer }),
      ],
      workloadOf: (selectors) => this.#workloadOf(selectors),
      onDecision: (decision) => this.#flows.add(flowOfProcess(decision, (id) => this.#byId.get(id), BigInt(Date.now()) * 1_000_000n)),
      onLoss: (count) => this.#flows.miss(count),
      onChange: () => this.#enforcingChanged(),
      log,
    });
  }

  /** Resolves when what the files say is in force. Rejects when they have a mistake. */
  async start(): Promise<void> {
    const { stateDirectory, configuration } = this.#settings;
    const isTakeover = this.#isEnabled && this.#kernel.hasLeftovers();
    if (isTakeover) this.#expectFormer();
    await this.#links.listen();
    const first = await followFiles(
      {
        policies: configuration.policies,
        registrations: await registrationPaths(stateDirectory, configuration),
        trustDomain: trustDomainOf(configuration["identity.trustDomain"]),
        deniedByDefault: configuration["network.deniedByDefault"],
        onMistakes: (mistakes) => this.#tellMistakes(mistakes),
        onFailure: (message) => this.#log("error", `access policies are no longer followed: ${message}`),
      },
      (files) => this.#use(files),
      this.#stopping.signal,
    );
    this.#take(first);
    if (isTakeover || this.#isNeeded(first)) {
      this.#apply(true);
      await this.#followNames();
    }
    this.#tick = setInterval(() => this.#onTick(), TICK_MS).unref();
  }

  report(): ReadyReport {
    const policies = this.#files?.policies ?? 0;
    const mode = this.#settings.configuration["network.mode"];
    const on = {
      what: WHAT,
      where: `access policies in the kernel (${policies}), workloads that run here (${this.#kernel.placedCount})${AUDIT[mode] ?? ""}`,
    };
    if (this.#kernel.isOpen) {
      const { where, problem } = this.#names;
      const names = where === "" ? [] : [{ what: "names", where: `DNS questions of workloads are read at ${where}` }];
      const off = problem === "" ? [] : [{ what: "names", why: problem, how: "until then no name of a policy is reached" }];
      return { on: [on, ...names], off, facts: {} };
    }
    return { on: [], off: [this.#off ?? this.#idle()], facts: {} };
  }

  /** The workload of this name with where it is to be started; throws `NETWORK_…` codes when it cannot be put in force. */
  place(entry: Entry): void {
    if (this.#kernel.isOpen) this.#kernel.apply(this.#known(), this.#enforcing());
    this.#log("info", `a program is started as ${entry.name}`);
  }

  /** By `shop/orders`, or by `orders` where only one namespace has it. */
  entryNamed(name: string): Entry | undefined {
    if (name.includes("/")) return this.#entries.get(name);
    const found = [...this.#entries.values()].filter((entry) => entry.name.endsWith(`/${name}`));
    return found.length === 1 ? found[0] : undefined;
  }

  async drain(withinMs: number, keep: boolean): Promise<void> {
    this.#stopping.abort();
    clearInterval(this.#tick);
    clearTimeout(this.#expiry);
    this.#links.close();
    await this.#names.close({ keep });
    this.#kernel.close({ keep });
    this.#flows.flush();
    await this.#forwarder.close(Math.min(EVENTS_PER_DRAIN_MS, withinMs / 2));
  }

  get #isEnabled(): boolean {
    return this.#settings.configuration["network.mode"] !== "off" && process.getuid?.() === 0;
  }

  #isNeeded({ policies }: FollowedFiles): boolean {
    return this.#isEnabled && (policies > 0 || this.#settings.configuration["network.deniedByDefault"].length > 0);
  }

  #idle(): Off {
    if (this.#settings.configuration["network.mode"] === "off")
      return { what: WHAT, why: "access policies are left to the services", how: "the setting `network.mode` says so" };
    if (process.getuid?.() !== 0)
      return {
        what: WHAT,
        why: "the kernel enforces access policies for root alone; services enforce them with `@vigil-dev/vigil/node/access`",
        how: "run `vigil up` as root on Linux 6.1 or later with cgroup v2 and BTF",
      };
    return { what: WHAT, why: "no access policy is among the policies", how: "one that is added takes effect at once" };
  }

  #use(files: FollowedFiles): void {
    const hasNewPolicies = files.set !== this.#files?.set;
    this.#take(files);
    if (!this.#kernel.isOpen && !this.#isNeeded(files)) return;
    this.#apply(false);
    if (hasNewPolicies && this.#lastProblem === "") this.#log("info", `${files.policies} access policies are in force in the kernel`);
  }

  #take(files: FollowedFiles): void {
    this.#files = files;
    this.#entries = new Map(files.entries.map((entry) => [entry.id, entry]));
    this.#index = new SelectorIndex();
    for (const entry of this.#entries.values()) this.#index.add(entry);
    this.#byId = new Map(files.entries.map((entry) => [entry.spiffeId, entry]));
    this.#planExpiry(files.set);
  }

  #known(): FollowedFiles {
    if (this.#files === undefined) throw new TypeError("expected the files to have been read");
    return this.#files;
  }

  /** What cannot be put in force leaves what is, and is told once. */
  #apply(isStart: boolean): void {
    try {
      this.#kernel.apply(this.#known(), this.#enforcing());
      if (this.#lastProblem !== "") this.#log("info", "access policies are in force in the kernel again as they are written");
      this.#lastProblem = "";
      this.#off = undefined;
      void this.#followNames();
    } catch (error) {
      if (!(error instanceof VigilError)) throw error;
      if (isStart && error.code !== "NETWORK_UNAVAILABLE") throw error;
      this.#off = { what: WHAT, why: error.message, ...(error.hint !== undefined && { how: error.hint }) };
      this.#tellProblem(error.message, error.code);
    }
  }

  async #followNames(): Promise<void> {
    const { enforcement } = this.#kernel;
    if (enforcement !== undefined) await this.#names.follow(enforcement, this.#known().set);
  }

  #tellProblem(message: string, code: string): void {
    if (message === this.#lastProblem) return;
    this.#lastProblem = message;
    this.#log("error", `${message}; what was in force stays`, { code });
    this.#forwarder.acted({ action: "enforce", object: WHAT, outcome: "refused", message, subject: "vigil", severity: 4 });
  }

  #tellMistakes(mistakes: readonly Diagnostic[]): void {
    for (const { file, line, column, message, code } of mistakes.slice(0, MAX_TOLD))
      this.#log("error", `${file}:${line}:${column}: ${message}`, { code });
    const [first] = mistakes;
    const message = `access policies or registrations have mistakes (${mistakes.length}); those before stay in force: ${first?.message ?? ""}`;
    this.#forwarder.acted({ action: "activate policies", object: WHAT, outcome: "refused", message, subject: "vigil", severity: 4 });
  }

  /** The one workload that is all of this; several cannot be told apart. */
  #workloadOf(selectors: ReadonlySet<string>): Entry | undefined {
    // How it was started says which it is, whatever else its registration asks for.
    for (const selector of selectors) if (selector.startsWith(LAUNCHED)) return this.#entries.get(selector.slice(LAUNCHED.length));
    const found = this.#index.match(selectors);
    return found.length === 1 ? found[0] : undefined;
  }

  #enforcing(): ReadonlySet<string> {
    return new Set([...this.#expected, ...this.#links.enforcing]);
  }

  #enforcingChanged(): void {
    if (this.#kernel.isOpen) this.#apply(false);
    if (!this.#stopping.signal.aborted) this.#keepEnforcing();
  }

  get #enforcingPath(): string {
    return join(this.#settings.stateDirectory, "network-enforcing.json");
  }

  #keepEnforcing(): void {
    writeFileAtomic(this.#enforcingPath, JSON.stringify([...this.#links.enforcing])).catch((error) =>
      this.#log("warning", `${this.#enforcingPath} cannot be written: ${messageOf(error)}`),
    );
  }

  /** Until the services have found this process, those of before are believed: what was allowed goes on. */
  #expectFormer(): void {
    try {
      const names: unknown = JSON.parse(readFileSync(this.#enforcingPath, "utf8"));
      if (Array.isArray(names)) this.#expected = new Set(names.filter((name) => typeof name === "string"));
    } catch {
      return; // Nobody enforced, or it cannot be known: then the kernel lets through only what it can judge.
    }
    setTimeout(() => {
      this.#expected = new Set();
      this.#enforcingChanged();
    }, RECONNECT_MS).unref();
  }

  #onTick(): void {
    this.#flows.flush();
    if (!this.#kernel.isOpen) return;
    if (this.#names.problem !== "") void this.#followNames();
    if (this.#lastProblem !== "" || this.#known().entries.some(isPlacedElsewhere)) this.#apply(false);
    this.#kernel.followAddresses();
  }

  /** Policies end by themselves. */
  #planExpiry({ rules, isolations }: AccessSet): void {
    clearTimeout(this.#expiry);
    const nowMs = Date.now();
    const all = [rules.ingress, rules.egress].flatMap((tiers) => Object.values(tiers).flat());
    const ends = [...all, ...isolations.ingress, ...isolations.egress].flatMap(({ rollout }) => rollout.expiresAtMs ?? []);
    const next = Math.min(...ends.filter((end) => end > nowMs), nowMs + MAX_TIMER_MS);
    this.#expiry = setTimeout(
      () => {
        this.#kernel.refresh();
        this.#planExpiry(this.#known().set);
      },
      next - nowMs + 1,
    ).unref();
  }
}

const LAUNCHED = "vigil:workload:";
const AUDIT: { readonly [mode: string]: string } = { audit: ", which only report (network.mode)" };

function trustDomainOf(name: string): TrustDomain {
  const domain = parseTrustDomain(name);
  if (!domain.ok) throw domain.error;
  return domain.value;
}
