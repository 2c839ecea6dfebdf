/** Bundles between SPIRE and us by https_web: both endpoints prove themselves by a certificate of an authority that the other was told of. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeElement } from "../../src/lib/der.ts";
import { encodePem } from "../../src/lib/pem.ts";
import { ANY_MOMENT, newAuthority } from "../service/trust-domain.ts";
import {
  alternativeNames,
  buildCertificate,
  DIGITAL_SIGNATURE,
  extendedKeyUsage,
  keyUsage,
  newKeys,
  pkcs8Of,
} from "../spiffe/certificate-builder.ts";
import { BUILD_MS, peersProblem } from "./peer-program.ts";
import { RunningSpire } from "./running-spire.ts";
import { type RunningVigil, runVigil } from "./running-vigil.ts";

const [OURS, THEIRS] = ["vigil.test", "spire.test"];
const LOOPBACK = encodeElement(0x87, Uint8Array.of(127, 0, 0, 1));

describe.skipIf(peersProblem !== undefined)(`SPIRE by https_web (${peersProblem ?? "built from its module"})`, () => {
  const directory = mkdtempSync(join(tmpdir(), "web-federation-"));
  const [authorityFile, certificate, key] = ["authority.pem", "server.pem", "server-key.pem"].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  let spire: RunningSpire;
  let vigil: RunningVigil;

  beforeAll(async () => {
    const authority = newAuthority("web.test");
    const keys = newKeys();
    const der = buildCertificate({
      subject: "server",
      issuer: authority.name,
      keys,
      signer: authority.keys,
      ...ANY_MOMENT,
      extensions: [keyUsage([DIGITAL_SIGNATURE]), extendedKeyUsage(["serverAuth"]), alternativeNames([LOOPBACK], false)],
    });
    writeFileSync(authorityFile, encodePem({ label: "CERTIFICATE", der: authority.der }));
    writeFileSync(certificate, encodePem({ label: "CERTIFICATE", der }));
    writeFileSync(key, encodePem({ label: "PRIVATE KEY", der: pkcs8Of(keys) }), { mode: 0o600 });
    spire = await RunningSpire.start({ trustDomain: THEIRS, webCertificate: { certificate, key }, webAuthorities: authorityFile });
    vigil = await runVigil({
      trustDomain: OURS,
      settings: {
        "identity.bundleListen": "127.0.0.1:0",
        "identity.bundleCertificate": certificate,
        "identity.bundleKey": key,
        "identity.webAuthorities": authorityFile,
      },
    });
  }, BUILD_MS);

  afterAll(async () => {
    await vigil?.stop();
    await spire?.stop();
    rmSync(directory, { recursive: true });
  }, 60_000);

  test("we take theirs", () => {
    const trust = vigil.ask("trust", "federate", THEIRS, "--url", spire.bundleUrl);
    expect(trust).toMatchObject({ status: 0, stdout: expect.stringContaining(`${THEIRS} is trusted`) });
  });

  test("they take ours", () => {
    const endpoint = ["-bundleEndpointProfile", "https_web", "-bundleEndpointURL", vigil.bundleUrl];
    spire.ask("federation", "create", "-trustDomain", OURS, ...endpoint);
    spire.ask("federation", "refresh", "-id", OURS);
    const keysOf = (document: string): readonly { readonly use: string; readonly x5c?: readonly string[] }[] => JSON.parse(document).keys;
    const taken = keysOf(spire.ask("bundle", "list", "-id", `spiffe://${OURS}`, "-format", "spiffe"));
    const ours = keysOf(vigil.ask("trust", "show", "--bundle").stdout);
    expect(taken.map(({ use }) => use).sort()).toEqual(["jwt-svid", "x509-svid"]);
    expect(taken.flatMap(({ x5c = [] }) => x5c)).toEqual(ours.flatMap(({ x5c = [] }) => x5c));
  });

  test("an endpoint whose certificate is for another name is refused", () => {
    const refused = vigil.ask("trust", "federate", "other.test", "--url", `${spire.bundleUrl.replace("127.0.0.1", "localhost")}/`);
    expect(refused).toMatchObject({ status: 1, stdout: expect.stringContaining("FEDERATION_UNREACHABLE") });
  });
});
