/** `vigil up` twice, as on two machines: one has the authority, the other follows it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { environmentName } from "../../src/cmd/settings.ts";
import { type Outcome, type Service, startVigil, vigil } from "./run-vigil.ts";

const DOMAIN = "two-hosts.test";
const WAIT = { timeout: 60_000, interval: 500 };
const EDGE = `spiffe://${DOMAIN}/vigil/agent/edge`;
const workload = (name: string, agents: string): string =>
  `---\n${JSON.stringify({
    apiVersion: "vigil.dev/v1alpha1",
    kind: "Workload",
    metadata: { name },
    spec: { selectors: [`unix:uid:${process.getuid?.()}`, `unix:path:${process.execPath}`], agents: [agents] },
  })}\n`;

class Host {
  readonly state: string;
  readonly #settings: { readonly [name: string]: string };
  #service: Service | undefined;

  constructor(directory: string, settings: { readonly [key: string]: string }) {
    this.state = join(directory, "state");
    const stated = { "identity.trustDomain": DOMAIN, ...settings };
    this.#settings = Object.fromEntries(Object.entries(stated).map(([key, value]) => [environmentName(key), value]));
  }

  /** Where it listens, by what for. */
  async up(): Promise<ReadonlyMap<string, string>> {
    this.#service = startVigil(["up", "--state", this.state, "--listen", "127.0.0.1:0", "-o", "json"], { environment: this.#settings });
    await this.#service.until(/\}\s*$/);
    const { on }: { readonly on: readonly { readonly what: string; readonly where: string }[] } = JSON.parse(this.#service.stdout());
    return new Map(on.map(({ what, where }) => [what, where]));
  }

  ask(...words: readonly string[]): Outcome {
    return vigil([...words, "--state", this.state], { environment: this.#settings });
  }

  /** What this process gets there. */
  identities(): readonly string[] {
    const shown = JSON.parse(this.ask("identity", "show", "-o", "json").stdout || "{}");
    return (shown.identities ?? []).map(({ spiffeId }: { readonly spiffeId: string }) => spiffeId);
  }

  get log(): string {
    return this.#service?.stderr() ?? "";
  }

  async down(): Promise<void> {
    await this.#service?.stop("SIGTERM");
    this.#service = undefined;
  }
}

describe("an authority on another host", () => {
  let directory: string;
  let home: Host;
  let edge: Host;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "vigil-hosts-"));
    for (const name of ["home", "edge", "registrations"]) mkdirSync(join(directory, name));
    const registrations = join(directory, "registrations");
    writeFileSync(
      join(registrations, "workloads.yaml"),
      workload("at-edge", EDGE) + workload("at-home", `spiffe://${DOMAIN}/vigil/agent/local`),
    );
    home = new Host(join(directory, "home"), { "identity.agentListen": "127.0.0.1:0", "identity.registrations": registrations });
    const address = (await home.up()).get("remote agents") ?? "";
    const file = (name: string, text: string): string => {
      writeFileSync(join(directory, name), text);
      return join(directory, name);
    };
    edge = new Host(join(directory, "edge"), {
      "identity.authority": address,
      "identity.authorityBundle": file("bundle.json", home.ask("trust", "show", "--bundle").stdout),
      "identity.joinToken": file("token", home.ask("trust", "token", "edge").stdout),
    });
    await edge.up();
  }, 300_000);

  afterAll(async () => {
    await edge?.down();
    await home?.down();
    rmSync(directory, { recursive: true, force: true });
  }, 60_000);

  test("gives the workloads of each host theirs, and nobody there what is built in for its own", async () => {
    await expect.poll(() => edge.identities(), WAIT).toEqual([`spiffe://${DOMAIN}/default/at-edge`]);
    expect(home.identities()).toContain(`spiffe://${DOMAIN}/default/at-home`);
    expect(home.identities()).not.toContain(`spiffe://${DOMAIN}/default/at-edge`);
    expect(edge.log).toContain(`the agent ${EDGE} is attested`);
  }, 180_000);

  test("needs no other token after a restart, and what it denies is withdrawn there", async () => {
    await edge.down();
    await edge.up();
    await expect.poll(() => edge.identities(), WAIT).toEqual([`spiffe://${DOMAIN}/default/at-edge`]);
    expect(home.ask("identity", "revoke", `spiffe://${DOMAIN}/default/at-edge`).status).toBe(0);
    await expect.poll(() => edge.identities(), WAIT).toEqual([]);
  }, 240_000);
});
