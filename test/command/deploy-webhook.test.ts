import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { vigil } from "./run-vigil.ts";

let folder: string;
const deploy = (...words: readonly string[]) => vigil(["deploy", "webhook", "--state", join(folder, "state"), ...words]);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "vigil-deploy-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("vigil deploy webhook", () => {
  test("prints the objects with the authority of this installation", () => {
    const { status, stdout } = deploy("-o", "json");
    const { items } = JSON.parse(stdout);
    expect({ status, kinds: items.map(({ kind }: { kind: string }) => kind) }).toEqual({
      status: 0,
      kinds: ["Service", "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"],
    });
    const authority = readFileSync(join(folder, "state/admission/ca.crt"), "utf8");
    expect(Buffer.from(items[1].webhooks[0].clientConfig.caBundle, "base64").toString()).toBe(authority);
  });

  test("takes the certificate of another authority, and nothing else for one", () => {
    const file = join(folder, "not-a-ca.pem");
    writeFileSync(file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    const { status, stdout, stderr } = deploy("--ca", file);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toContain(`got \`${file}\``);
    expect(deploy("--ca", join(folder, "state/admission/ca.crt")).status).toBe(0);
  });

  test("warns when the certificate would not name the host of the URL", () => {
    expect(deploy("--url", "https://10.1.2.3:8443").stderr).toContain("does not name `10.1.2.3`");
    expect(deploy("--url", "https://127.0.0.1:8443").stderr).toBe("");
  });

  test("warns when there are no policies", () => {
    const { status, stderr } = deploy("--policy", folder);
    expect(status).toBe(0);
    expect(stderr).toContain("no policies");
  });
});
