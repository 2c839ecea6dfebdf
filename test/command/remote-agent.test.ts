/** `vigil up` as the authority and `vigil identity agent` as another machine: two commands that share nothing but a port. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Service, startVigil, vigil } from "./run-vigil.ts";

const DOMAIN = "remote.test";
let folder: string;
let authority: Service;
let agent: Service | undefined;
let port: number;

const at = (name: string): string => join(folder, name);

/** Free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  // A server that listens on a port has an address of this kind.
  const { port: free } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return free;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "vigil-machines-"));
  port = await freePort();
  const spec = `{selectors: ["unix:uid:${process.getuid?.()}"]}`;
  writeFileSync(at("workloads.yaml"), `apiVersion: vigil.dev/v1alpha1\nkind: Workload\nmetadata: {name: mine}\nspec: ${spec}\n`);
  authority = startVigil(["up", "--state", at("authority"), "--listen", "127.0.0.1:0"], {
    environment: {
      VIGIL_IDENTITY_AGENT_LISTEN: `127.0.0.1:${port}`,
      VIGIL_IDENTITY_TRUST_DOMAIN: DOMAIN,
      VIGIL_IDENTITY_REGISTRATIONS: at("workloads.yaml"),
    },
  });
  await authority.until(/ready/);
}, 120_000);

afterAll(async () => {
  await agent?.stop("SIGTERM");
  await authority?.stop("SIGTERM");
  rmSync(folder, { recursive: true, force: true });
});

test("an agent joins with a token and serves identities of the other machine's authority", { timeout: 120_000 }, async () => {
  const bundle = vigil(["trust", "show", "--bundle", "--state", at("authority")]);
  const token = vigil(["trust", "token", "edge-1", "--format", "json", "--state", at("authority")]);
  expect([bundle.status, token.status]).toEqual([0, 0]);
  writeFileSync(at("bundle.json"), bundle.stdout);
  writeFileSync(at("token"), JSON.parse(token.stdout).token);
  agent = startVigil([
    ...["identity", "agent", "--authority", `127.0.0.1:${port}`, "--trust-domain", DOMAIN],
    ...["--bundle", at("bundle.json"), "--join-token", at("token"), "--state", at("agent")],
  ]);
  await agent.until(/ready/);
  const svid = (): readonly string[] => {
    const { status, stdout } = vigil(["identity", "show", "--format", "json", "--socket", `unix://${at("agent/agent.sock")}`]);
    return status === 0 ? [JSON.stringify(JSON.parse(stdout))] : [];
  };
  await expect.poll(svid, { timeout: 60_000 }).toEqual([expect.stringContaining(`spiffe://${DOMAIN}/`)]);
  expect(readFileSync(at("agent/agent/identity.json"), "utf8")).toContain("chain");
});

test.each([
  { what: "no authority", message: "there is no authority", words: [] },
  { what: "no bundle", message: "nothing to verify the authority with", words: ["--authority", "127.0.0.1:1"] },
  { what: "no evidence", message: "expected one way", words: ["--authority", "127.0.0.1:1", "--bundle", "bundle.json"] },
  {
    what: "two kinds of evidence",
    message: "expected one way",
    words: ["--authority", "127.0.0.1:1", "--bundle", "b", "--join-token", "t", "--certificate", "c", "--key", "k"],
  },
])("$what: it says what is missing", ({ message, words }) => {
  const { status, stderr } = vigil(["identity", "agent", "--state", at("lacking"), ...words]);
  expect(status).toBe(2);
  expect(stderr).toContain(message);
});
