/** The commands of `docs/identity.md`, on a Vigil that runs. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Outcome, type Service, startVigil, vigil } from "./run-vigil.ts";

let folder: string;
let state: string;
let service: Service;
const ask = (...words: readonly string[]): Outcome => vigil([...words, "--state", state]);
const json = (...words: readonly string[]): ReturnType<typeof JSON.parse> => JSON.parse(ask(...words, "-o", "json").stdout);

interface Shown {
  readonly kind: string;
  readonly id: string;
  readonly state: string;
}
const authoritiesOf = (kind: string): readonly Shown[] =>
  json("trust", "show").authorities.filter((authority: Shown) => authority.kind === kind);

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 100));
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "vigil trust "));
  state = join(folder, "state");
  service = startVigil(["up", "--state", state, "--listen", "127.0.0.1:0"]);
  await service.until(/Ctrl-C/);
}, 120_000);

afterAll(async () => {
  await service.stop("SIGTERM");
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

describe("a fresh trust domain", () => {
  test("has a signer of each kind, and identities for its webhook and its user", () => {
    const trust = json("trust", "show");
    expect(trust).toMatchObject({ trustDomain: "vigil.local", denied: { spiffeIds: [] } });
    expect(trust.authorities.map(({ kind, state: phase }: Shown) => `${kind} ${phase}`)).toEqual([
      "x509 active",
      "jwt active",
      "wit active",
    ]);
    const ids = json("identity", "list").map(({ id }: { readonly id: string }) => id);
    expect(ids).toContain("spiffe://vigil.local/vigil/admission");
    expect(ids.some((id: string) => id.startsWith("spiffe://vigil.local/user/"))).toBe(true);
    expect(ask("trust", "show").stdout).toMatch(/x509 +[0-9a-f]{40} +active +signs/);
    expect(JSON.parse(ask("trust", "show", "--bundle").stdout)).toMatchObject({ spiffe_sequence: 3 });
  });

  test("keeps its keys to itself", () => {
    for (const name of ["authority", "authority/keys"]) expect(statSync(join(state, name)).mode & 0o777).toBe(0o700);
    for (const name of ["authority/journal.json", "authority.sock"]) expect(statSync(join(state, name)).mode & 0o777).toBe(0o600);
  });
});

test("a resource registers a workload, a mistake leaves it registered, and its removal ends that", async () => {
  const file = join(state, "registrations", "web.yaml");
  const ids = (): readonly string[] => json("identity", "list").map(({ id }: { readonly id: string }) => id);
  const web =
    "apiVersion: vigil.dev/v1alpha1\nkind: Workload\nmetadata: {name: web, namespace: shop}\nspec: {selectors: ['unix:uid:1000']}\n";
  writeFileSync(file, web);
  await until(() => ids().includes("spiffe://vigil.local/shop/web"));
  writeFileSync(file, web.replace("selectors", "selector"));
  await until(() => service.stderr().includes("did you mean") || service.stderr().includes("RESOURCE_UNKNOWN_FIELD"));
  expect(ids()).toContain("spiffe://vigil.local/shop/web");
  rmSync(file);
  await until(() => !ids().includes("spiffe://vigil.local/shop/web"));
}, 60_000);

test("a minted certificate verifies by openssl against the bundle beside it", () => {
  const out = join(folder, "laptop");
  expect(ask("identity", "mint", "spiffe://vigil.local/laptop", "--ttl", "1h", "--out", out)).toMatchObject({ status: 0, stderr: "" });
  expect(statSync(join(out, "svid_key.pem")).mode & 0o777).toBe(0o600);
  const verdict = execFileSync("openssl", ["verify", "-x509_strict", "-CAfile", "bundle.pem", "svid.pem"], { cwd: out, encoding: "utf8" });
  expect(verdict).toContain("svid.pem: OK");
  expect(ask("identity", "mint", "spiffe://vigil.local/ci", "--audience", "registry").stdout).toMatch(/^ey[\w-]+\.[\w-]+\.[\w-]+\n$/);
});

test("a stolen key is replaced in four steps", () => {
  const [stolen] = authoritiesOf("x509");
  if (stolen === undefined) throw new Error("no authority");
  expect(ask("trust", "taint", stolen.id)).toMatchObject({ status: 2, stderr: expect.stringContaining("is active") });
  expect(ask("trust", "prepare", "x509").status).toBe(0);
  expect(ask("trust", "activate", "x509")).toMatchObject({ status: 2, stderr: expect.stringContaining("--force") });
  expect(ask("trust", "activate", "x509", "--force").status).toBe(0);
  expect(ask("trust", "taint", stolen.id).stdout).toContain("old and tainted");
  expect(ask("trust", "revoke", stolen.id).stdout).toContain("is gone");
  expect(authoritiesOf("x509").map(({ state: phase }) => phase)).toEqual(["gone", "active"]);
  expect(json("trust", "show").denied.authorityIds).toEqual([stolen.id]);
}, 60_000);

test("a denied identity gets nothing until it is denied no longer, and both are events", async () => {
  const id = "spiffe://vigil.local/thief";
  expect(ask("identity", "revoke", id, "--reason", "INC-7").status).toBe(0);
  expect(ask("identity", "mint", id)).toMatchObject({ status: 2, stderr: expect.stringContaining("is denied") });
  expect(ask("identity", "revoke", id, "--undo").status).toBe(0);
  expect(ask("identity", "mint", id).status).toBe(0);
  await until(() => ask("events", "--object", id, "--verdict", "deny").stdout.includes("issue x509"));
  await until(() => ask("events", "--object", id).stdout.includes("INC-7"));
}, 60_000);

test("what is wrong is said in one line with a remedy", () => {
  expect(ask("identity", "mint", "spiffe://other.org/a")).toMatchObject({ status: 2, stderr: expect.stringContaining("vigil.local") });
  expect(ask("trust", "prepare", "pgp")).toMatchObject({ status: 2, stderr: expect.stringContaining("expected x509, jwt or wit") });
  expect(ask("trust", "federate", "vigil.local", "--url", "https://x/")).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("itself"),
  });
  expect(ask("identity", "rotate", "spiffe://vigil.local/nobody").status).toBe(1);
  expect(vigil(["trust", "show", "--state", join(folder, "none")])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("vigil up"),
  });
});
