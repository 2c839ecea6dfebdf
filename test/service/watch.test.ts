/** `vigil identity watch`: files that follow the agent, and a program that hears of it. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { identityPathsIn, openIdentityFiles } from "../../src/service/index.ts";
import { startVigil, vigil } from "../command/run-vigil.ts";
import { domainOf } from "../spiffe/trust-fixture.ts";
import { TestAgent } from "./test-agent.ts";
import { bundleOf, issueSvid, newAuthority } from "./trust-domain.ts";

const [root, other] = [newAuthority("a.test"), newAuthority("b.test")];
const WEB = "spiffe://a.test/web";
const bundles = [bundleOf("a.test", [root]), bundleOf("b.test", [other])];
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vigil-watch-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const newAgent = (): TestAgent => new TestAgent({ svids: [issueSvid(WEB, root)], bundles });

test("files follow the agent, the program is told each time, and a withdrawn identity leaves no key", async () => {
  const agent = newAgent();
  const dir = join(folder, "svid");
  const told = join(folder, "told");
  const watch = startVigil(["identity", "watch", "--dir", dir, "--exec", `cat ${dir}/svid.pem >> ${told}`, "--jwt", "vault=vault.jwt"], {
    environment: { SPIFFE_ENDPOINT_SOCKET: await agent.listen() },
  });
  onTestFinished(async () => {
    await watch.stop("SIGTERM");
  });
  const tellings = (): number => (existsSync(told) ? readFileSync(told, "utf8").split("BEGIN").length - 1 : 0);
  await expect.poll(tellings, { timeout: 20_000 }).toBe(1);
  const files = await openIdentityFiles(identityPathsIn(dir));
  onTestFinished(() => files.close());
  expect(files.x509Svid()?.id).toBe(WEB);
  expect(files.bundleOf(domainOf("a.test"))?.x509Authorities).toHaveLength(1);
  await expect.poll(() => existsSync(join(dir, "federated/b.test.pem")), { timeout: 20_000 }).toBe(true);
  expect(statSync(join(dir, "svid_key.pem")).mode & 0o777).toBe(0o600);
  const [, claims = ""] = readFileSync(join(dir, "vault.jwt"), "utf8").split(".");
  expect(JSON.parse(Buffer.from(claims, "base64url").toString())).toMatchObject({ sub: WEB });
  const before = tellings();
  agent.set({ svids: [issueSvid(WEB, root)] });
  await expect.poll(tellings, { timeout: 20_000 }).toBeGreaterThan(before);
  agent.set({ svids: [] });
  await expect.poll(() => existsSync(join(dir, "svid_key.pem")) || existsSync(join(dir, "vault.jwt")), { timeout: 20_000 }).toBe(false);
  expect(await watch.stop("SIGTERM")).toBe(0);
});

test("a process is signalled by the number in its pid file", async () => {
  const agent = newAgent();
  const pidFile = join(folder, "pid");
  writeFileSync(pidFile, `${process.pid}\n`);
  const signalled = Promise.withResolvers<void>();
  const onSignal = (): void => signalled.resolve();
  process.on("SIGUSR2", onSignal);
  onTestFinished(() => {
    process.removeListener("SIGUSR2", onSignal);
  });
  const watch = startVigil(["identity", "watch", "-d", join(folder, "svid"), "--signal", pidFile, "--signal-name", "USR2"], {
    environment: { SPIFFE_ENDPOINT_SOCKET: await agent.listen() },
  });
  await signalled.promise;
  expect(await watch.stop("SIGINT")).toBe(130);
});

test("--once ends when the files are there", async () => {
  const agent = newAgent();
  const once = startVigil(["identity", "watch", "-d", folder, "--once", "--socket", await agent.listen()]);
  expect(await new Promise((resolve) => once.process.once("exit", resolve))).toBe(0);
  expect(existsSync(join(folder, "svid.pem"))).toBe(true);
});

test.each([
  { what: "no address", words: ["-d", "svid"], says: "there is no address of a Workload API" },
  { what: "no directory", words: [], says: "`--dir` is missing" },
  {
    what: "an agent that is not there",
    words: ["-d", "svid", "--once", "--wait", "100ms", "--socket", "unix:///nonexistent/a"],
    says: "no identity in time",
  },
  { what: "a token in another directory", words: ["-d", "svid", "--jwt", "vault=../vault.jwt"], says: "expected AUDIENCE=FILE" },
  { what: "a token in place of the key", words: ["-d", "svid", "--jwt", "vault=svid_key.pem"], says: "expected AUDIENCE=FILE" },
])("$what: it ends and says why", ({ words, says }) => {
  const { status, stderr } = vigil(["identity", "watch", ...words], { cwd: folder });
  expect({ status, says: stderr.includes(says) ? says : stderr }).toEqual({ status: 2, says });
});
