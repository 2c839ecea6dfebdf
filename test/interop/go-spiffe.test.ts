/** The reference library of SPIFFE as a workload of our agent: what it fetches, and mutual TLS with our servers and clients. */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { get } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createHttpsAgent, createHttpsServer, openWorkloadIdentity, peerOf, type ServiceIdentity } from "../../src/service/index.ts";
import { GoSpiffe } from "./go-spiffe.ts";
import { BUILD_MS, peersProblem } from "./peer-program.ts";
import { type RunningVigil, runVigil, workloadOf } from "./running-vigil.ts";

const NODE = "spiffe://interop.test/node";
const GO = "spiffe://interop.test/go";
const SECOND = "spiffe://interop.test/second";

describe.skipIf(peersProblem !== undefined)(`go-spiffe (${peersProblem ?? "built from its module"})`, () => {
  let vigil: RunningVigil;
  let go: GoSpiffe;
  let identity: ServiceIdentity;

  const registrations = (): string => {
    const second = workloadOf("go-second", GoSpiffe.program(), { id: SECOND, hint: "second" });
    // Names order identities: the default one comes first.
    return workloadOf("go", GoSpiffe.program(), { id: GO, hint: "main" }) + second + workloadOf("node", process.execPath, { id: NODE });
  };

  beforeAll(async () => {
    vigil = await runVigil({
      trustDomain: "interop.test",
      registrations: registrations(),
      settings: { "identity.bundleListen": "127.0.0.1:0" },
    });
    go = new GoSpiffe(vigil.socket);
    identity = await openWorkloadIdentity({ address: `unix://${vigil.socket}` });
  }, BUILD_MS);

  afterAll(async () => {
    identity?.close();
    await vigil?.stop();
  }, 60_000);

  test("fetches and verifies every X.509-SVID, and a JWT-SVID that it and the agent validate", async () => {
    const said = await go.ask("fetch", "shop", "billing");
    expect(said["identities"]).toMatchObject([
      { id: GO, hint: "main" },
      { id: SECOND, hint: "second" },
      { hint: expect.stringMatching(/^user\//) },
    ]);
    expect(said["trustDomains"]).toEqual(["interop.test"]);
    expect(said["token"]).toMatchObject({ id: GO, agentSays: GO, audience: ["billing", "shop"] });
    expect(said["tokens"]).toContain(SECOND);
  });

  test("gets in at our server as whom it is, and not as whom it is not", async () => {
    const server = createHttpsServer(identity, { allow: [GO] }, (request, response) => response.end(`hello ${peerOf(request).id}`));
    const closed = createHttpsServer(identity, { allow: [NODE] }, (_, response) => response.end("never"));
    const urls: string[] = [];
    for (const one of [server, closed]) {
      one.listen(0, "127.0.0.1");
      await once(one, "listening");
      urls.push(`https://127.0.0.1:${(one.address() as AddressInfo).port}/`);
    }
    expect(await go.ask("client", urls[0] ?? "", NODE)).toEqual({ status: 200, body: `hello ${GO}` });
    await expect(go.ask("client", urls[0] ?? "", GO)).rejects.toThrow(/unexpected ID/);
    await expect(go.ask("client", urls[1] ?? "", NODE)).rejects.toThrow();
    for (const one of [server, closed]) one.close();
  });

  test("lets our client in as whom it is, and not as whom it is not", async () => {
    const [open, closed] = [go.start("server", NODE), go.start("server", GO)];
    const ask = async (address: unknown, allow: string): Promise<string> => {
      const agent = createHttpsAgent(identity, { allow: [allow] });
      const [, host = "", port = ""] = /^(.*):(\d+)$/.exec(String(address)) ?? [];
      try {
        return await new Promise((resolve, reject) => {
          get({ host, port, agent }, (response) => void text(response).then(resolve, reject)).on("error", reject);
        });
      } finally {
        agent.destroy();
      }
    };
    const [here, there] = [(await open.next())["address"], (await closed.next())["address"]];
    expect(await ask(here, GO)).toBe(`hello ${NODE}`);
    await expect(ask(here, NODE)).rejects.toMatchObject({ code: "SERVICE_PEER_REFUSED" });
    await expect(ask(there, GO)).rejects.toThrow();
  });

  test("hears of every renewal on its stream, a restart of the agent included", async () => {
    const following = go.start("follow", "100");
    const serials = new Set([(await following.next())["serial"]]);
    for (let renewal = 0; renewal < 3; renewal++) {
      expect(vigil.ask("identity", "rotate", GO)).toMatchObject({ status: 0 });
      while (serials.size < renewal + 2) serials.add((await following.next())["serial"]);
    }
    const { processes } = JSON.parse(vigil.ask("status", "-o", "json").stdout);
    process.kill(processes.find(({ name }: { readonly name: string }) => name === "agent").pid, "SIGKILL");
    while (serials.size < 5) serials.add((await following.next())["serial"]);
  }, 120_000);

  test("fetches our bundle from its endpoint, proved by an SVID", async () => {
    const file = `${vigil.directory}/bundle.json`;
    writeFileSync(file, vigil.ask("trust", "show", "--bundle").stdout);
    const server = "spiffe://interop.test/vigil/bundle-endpoint";
    const bundle = await go.ask("bundle", "interop.test", vigil.bundleUrl, server, file);
    expect(bundle).toMatchObject({ authorities: 1, refreshHintSeconds: 300 });
    expect(bundle["keys"]).toHaveLength(1);
    await expect(go.ask("bundle", "interop.test", vigil.bundleUrl, GO, file)).rejects.toThrow(/unexpected ID/);
  });
});
