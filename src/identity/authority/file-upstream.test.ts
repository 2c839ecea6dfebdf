import { generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { DAY_MS, HOUR_MS, type TestAuthority, testAuthority } from "../../../test/identity/authority-in-process.ts";
import { encodeCommonName, issueCertificate, type LocalIssuer, localIssuer } from "../../lib/certificate.ts";
import { encodePem } from "../../lib/pem.ts";
import { verifyX509Svid } from "../../spiffe/x509-svid.ts";
import { fileUpstream, type UpstreamFiles } from "./file-upstream.ts";

const directory = mkdtempSync(join(tmpdir(), "vigil-upstream-"));
afterAll(() => rmSync(directory, { recursive: true }));

interface Ca {
  readonly der: Uint8Array;
  readonly privateKey: KeyObject;
  readonly issuer: LocalIssuer;
}

const NOW_MS = Date.now();

function makeCa(name: string, parent: Ca | undefined, pathLength: number | undefined, lifeMs: number = 365 * DAY_MS): Ca {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-384" });
  const publicKeyInfo = publicKey.export({ type: "spki", format: "der" });
  const subject = encodeCommonName(name);
  const issuer = localIssuer(subject, publicKeyInfo, privateKey);
  const times = { notBeforeMs: NOW_MS - HOUR_MS, notAfterMs: NOW_MS + lifeMs };
  const der = issueCertificate({
    profile: { kind: "authority", pathLength },
    ...{ subject, publicKeyInfo, serial: randomBytes(16), ...times, issuer: parent?.issuer ?? issuer },
  });
  return { der, privateKey, issuer };
}

let count = 0;

function filesOf(own: Ca, key: KeyObject, chain: readonly Ca[], roots: readonly Ca[] | undefined): UpstreamFiles {
  const write = (name: string, text: string): string => {
    const path = join(directory, `${count++}-${name}.pem`);
    writeFileSync(path, text);
    return path;
  };
  const certificates = (list: readonly Ca[]): string => list.map(({ der }) => encodePem({ label: "CERTIFICATE", der })).join("");
  return {
    certificatePath: write("certificate", certificates([own, ...chain])),
    keyPath: write("key", encodePem({ label: "PRIVATE KEY", der: key.export({ type: "pkcs8", format: "der" }) })),
    bundlePath: roots && write("roots", certificates(roots)),
  };
}

const below = (files: UpstreamFiles): Promise<TestAuthority> => testAuthority({ upstream: fileUpstream(files), nowMs: Date.now });

const root = makeCa("root", undefined, undefined);

async function expectVerifies({ authority }: TestAuthority, chainLength: number): Promise<void> {
  const spki = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ type: "spki", format: "der" });
  const svid = await authority.signAgent(authority.agentIdOf("a"), spki);
  if (!svid.ok) throw svid.error;
  expect(svid.value.certificates).toHaveLength(chainLength);
  expect(authority.authorities.bundle.x509Authorities.map(({ der }) => Buffer.from(der))).toEqual([Buffer.from(root.der)]);
  expect(verifyX509Svid(svid.value.certificates, authority, { nowMs: Date.now() }).ok).toBe(true);
}

test("below a root of files only the root is trusted, and SVIDs carry what is in between", async () => {
  await expectVerifies(await below(filesOf(root, root.privateKey, [], undefined)), 2);
});

test("below an intermediate authority the chain reaches to the root of the bundle", async () => {
  const intermediate = makeCa("intermediate", root, 1);
  await expectVerifies(await below(filesOf(intermediate, intermediate.privateKey, [], [root])), 3);
});

test("an authority does not outlive what is above it", async () => {
  const short = makeCa("short", root, 1, HOUR_MS);
  const { authority } = await below(filesOf(short, short.privateKey, [], [root]));
  const record = authority.authorities.records.find(({ kind }) => kind === "x509");
  expect(record?.notAfterMs).toBeLessThanOrEqual(NOW_MS + HOUR_MS);
});

test("the next authority has the same root, and the bundle names it once", async () => {
  const it = await below(filesOf(root, root.privateKey, [], undefined));
  await it.authority.authorities.prepare("x509");
  await it.authority.authorities.activate("x509", undefined, true);
  await expectVerifies(it, 2);
});

test.each<[string, () => UpstreamFiles]>([
  ["the key of another", () => filesOf(root, makeCa("other", undefined, undefined).privateKey, [], undefined)],
  ["a path length that leaves no room", () => ((own: Ca) => filesOf(own, own.privateKey, [], undefined))(makeCa("tight", undefined, 0))],
  ["an intermediate without its root", () => ((own: Ca) => filesOf(own, own.privateKey, [], undefined))(makeCa("alone", root, 1))],
  [
    "an intermediate of another root",
    () => ((own: Ca) => filesOf(own, own.privateKey, [], [makeCa("wrong", undefined, undefined)]))(makeCa("lost", root, 1)),
  ],
  ["an expired certificate", () => ((own: Ca) => filesOf(own, own.privateKey, [], undefined))(makeCa("expired", undefined, 1, -1000))],
  ["a file that is not there", () => ({ ...filesOf(root, root.privateKey, [], undefined), keyPath: join(directory, "none.pem") })],
  [
    "a key that is no key",
    () => ((files: UpstreamFiles) => ({ ...files, keyPath: files.certificatePath }))(filesOf(root, root.privateKey, [], undefined)),
  ],
])("with %s nothing is made", async (_, files) => {
  await expect(below(files())).rejects.toMatchObject({ code: "AUTHORITY_UPSTREAM" });
});
