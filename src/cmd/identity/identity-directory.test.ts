import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bundleOf, issueSvid, newAuthority } from "../../../test/service/trust-domain.ts";
import { identityPathsIn, openIdentityFiles } from "../../service/index.ts";
import { IdentityDirectory } from "./identity-directory.ts";

const root = newAuthority("a.test");
const other = newAuthority("b.test");
const bundles = [bundleOf("a.test", [root]), bundleOf("b.test", [other])];
const tokens = new Map([["orders.jwt", "e30.e30.AA"]]);
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vigil-directory-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const modeOf = (name: string): number => statSync(join(folder, name)).mode & 0o777;
const visible = (): readonly string[] =>
  readdirSync(folder)
    .filter((name) => !name.startsWith(".."))
    .sort();

test("what is written is what a reader finds; key and tokens are for their owner alone", async () => {
  const svid = issueSvid("spiffe://a.test/web", root);
  await new IdentityDirectory(folder).write({ svid, bundles, tokens });
  expect(visible()).toEqual(["bundle.pem", "federated", "orders.jwt", "svid.pem", "svid_key.pem"]);
  const files = await openIdentityFiles(identityPathsIn(folder));
  expect(files.x509Svid()?.certificates).toEqual(svid.certificates);
  expect(bundles.map(({ trustDomain }) => files.bundleOf(trustDomain))).toEqual(bundles);
  files.close();
  expect(readFileSync(join(folder, "orders.jwt"), "utf8")).toBe("e30.e30.AA");
  expect([modeOf("svid_key.pem"), modeOf("orders.jwt")]).toEqual([0o600, 0o600]);
  expect(modeOf("svid.pem") & 0o022).toBe(0);
});

test("a new state replaces all files by one rename, and leaves nothing of the old one", async () => {
  const directory = new IdentityDirectory(folder);
  await directory.write({ svid: issueSvid("spiffe://a.test/web", root), bundles, tokens });
  const before = readlinkSync(join(folder, "..data"));
  await directory.write({ svid: issueSvid("spiffe://a.test/web", root), bundles: bundles.slice(0, 1), tokens: new Map() });
  expect(readlinkSync(join(folder, "..data"))).not.toBe(before);
  expect(visible()).toEqual(["bundle.pem", "svid.pem", "svid_key.pem"]);
  expect(visible().map((name) => readlinkSync(join(folder, name)))).toEqual(visible().map((name) => join("..data", name)));
  expect(readdirSync(folder).filter((name) => name.startsWith(".."))).toHaveLength(2);
});

test("an identity that was withdrawn leaves no key behind", async () => {
  const directory = new IdentityDirectory(folder);
  await directory.write({ svid: issueSvid("spiffe://a.test/web", root), bundles, tokens });
  await directory.write({ svid: undefined, bundles, tokens: new Map() });
  expect(visible()).toEqual(["bundle.pem", "federated"]);
  expect(readdirSync(folder, { recursive: true }).filter((name) => String(name).includes("key"))).toEqual([]);
});

test("what a crash has left is removed", async () => {
  const directory = new IdentityDirectory(folder);
  await directory.write({ svid: issueSvid("spiffe://a.test/web", root), bundles, tokens });
  symlinkSync("nowhere", join(folder, "..link-0123456789abcdef"));
  symlinkSync("nowhere", join(folder, "..vigil-0123456789abcdef"));
  await directory.write({ svid: issueSvid("spiffe://a.test/web", root), bundles, tokens });
  expect(readdirSync(folder).filter((name) => name.startsWith(".."))).toHaveLength(2);
});

test("a file of somebody else is not touched", async () => {
  writeFileSync(join(folder, "svid.pem"), "mine");
  writeFileSync(join(folder, "notes.txt"), "mine too");
  const write = new IdentityDirectory(folder).write({ svid: issueSvid("spiffe://a.test/web", root), bundles, tokens });
  await expect(write).rejects.toMatchObject({ code: "IDENTITY_DIRECTORY" });
  expect(readFileSync(join(folder, "svid.pem"), "utf8")).toBe("mine");
  expect(readdirSync(folder).sort()).toEqual(["notes.txt", "svid.pem"]);
});
