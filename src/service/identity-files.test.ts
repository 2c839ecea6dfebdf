import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { bundleOf, issueSvid, newAuthority } from "../../test/service/trust-domain.ts";
import { domainOf } from "../../test/spiffe/trust-fixture.ts";
import { encodePem } from "../lib/pem.ts";
import type { X509Svid } from "../spiffe/x509-svid.ts";
import { type IdentityFiles, identityPathsIn, openIdentityFiles } from "./identity-files.ts";
import type { ServiceError } from "./service-error.ts";

const root = newAuthority("a.test");
const ID = "spiffe://a.test/web";
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vigil-files-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(svid: X509Svid, bundle: string = encodePem({ label: "CERTIFICATE", der: root.der })): void {
  const paths = identityPathsIn(folder);
  writeFileSync(paths.svid, svid.certificates.map(({ der }) => encodePem({ label: "CERTIFICATE", der })).join(""));
  writeFileSync(paths.key, svid.privateKey.export({ type: "pkcs8", format: "pem" }));
  writeFileSync(paths.bundle, bundle);
}

async function open(onError?: (error: ServiceError) => void): Promise<IdentityFiles> {
  const files = await openIdentityFiles(identityPathsIn(folder), onError === undefined ? {} : { onError });
  onTestFinished(() => files.close());
  return files;
}

test("files are an identity with the bundle of its trust domain", async () => {
  write(issueSvid(ID, root));
  const files = await open();
  expect(files.x509Svid()?.id).toBe(ID);
  expect(files.bundleOf(domainOf("a.test"))).toEqual(bundleOf("a.test", [root]));
  expect(files.bundleOf(domainOf("b.test"))).toBeUndefined();
});

test("a change is read and told; one that is wrong is told, and the last good one stays", async () => {
  write(issueSvid(ID, root));
  const errors: ServiceError[] = [];
  const complained = Promise.withResolvers<void>();
  const files = await open((error) => {
    errors.push(error);
    complained.resolve();
  });
  const first = files.x509Svid();
  const changed = new Promise<void>((resolve) => files.onChange(resolve));
  write(issueSvid(ID, root));
  await changed;
  const second = files.x509Svid();
  expect(second).not.toBe(first);
  writeFileSync(identityPathsIn(folder).key, issueSvid(ID, root).privateKey.export({ type: "pkcs8", format: "pem" }));
  await complained.promise;
  expect(errors[0]?.code).toBe("SERVICE_IDENTITY_FILES");
  expect(errors[0]?.message).toContain("x509-private-key");
  expect(files.x509Svid()).toBe(second);
});

test.each([
  { what: "nothing", prepare: () => {} },
  { what: "a bundle that is none", prepare: () => write(issueSvid(ID, root), "none") },
  {
    what: "a bundle larger than any",
    prepare: () => write(issueSvid(ID, root), " ".repeat(1024 * 1024 + 1)),
  },
])("$what is refused at once", async ({ prepare }) => {
  prepare();
  await expect(open()).rejects.toMatchObject({ code: "SERVICE_IDENTITY_FILES" });
});
