/** X.509-SVIDs issued by the authority, rules, denials and events included, beside certificate libraries. One core, EC P-256. */
import "../../test/identity/reflect-metadata.ts";
import { generateKeyPairSync, webcrypto } from "node:crypto";
import { SubjectAlternativeNameExtension, X509CertificateGenerator } from "@peculiar/x509";
import { testAuthority, workloadYaml } from "../../test/identity/authority-in-process.ts";
import { cpuNsPerOperation, measureGo } from "../engine/go-spiffe.ts";
import { type Contestant, compete, cpuNs } from "../measure.ts";
import type { Section } from "../report.ts";

const [GOAL, GOAL_WITH_KEY] = [10_000, 3_000];
const AGENT = { name: "spiffe://example.org/vigil/agent/local", agentId: "spiffe://example.org/vigil/agent/local" };
const HOUR_MS = 3_600_000;

const timed = (name: string, issue: () => unknown): Contestant => ({
  name,
  run: async (iterations) => {
    const start = cpuNs();
    for (let i = 0; i < iterations; i++) await issue();
    return cpuNs() - start;
  },
});

const newKey = (): Uint8Array => generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ type: "spki", format: "der" });

export async function identity(): Promise<Section> {
  const { authority } = await testAuthority({ resources: workloadYaml("web", "{selectors: ['unix:uid:1']}"), nowMs: Date.now });
  const issue = (der: Uint8Array): unknown => {
    const issued = authority.signX509("default/web", { kind: "public key", der }, AGENT);
    if (!("ok" in issued) || !issued.ok) throw new Error("nothing was issued");
    return issued.value;
  };
  const publicKey = newKey();
  const measured = await compete([
    timed("Vigil, public key given", () => issue(publicKey)),
    timed("Vigil, key made", () => issue(newKey())),
    timed("@peculiar/x509, public key given", await peculiar()),
  ]);
  const go = Math.round(1e9 / cpuNsPerOperation(await measureGo("sign")));
  const perSecond = (median: number): number => Math.round(1e9 / median);
  const [given = 0, made = 0, library = 0] = measured.map(({ median }) => perSecond(median));
  return {
    title: "Issuing X.509-SVIDs",
    notes: [
      "One core, EC P-256, the authority's key in the process, leaf with one URI name.",
      "Vigil's are checked against rules and denials, and told to the audit; the libraries only issue.",
    ],
    columns: ["issuer", "per second of CPU", "Vigil is faster by"],
    rows: [
      [measured[0]?.name ?? "", given.toLocaleString("en"), ""],
      [measured[1]?.name ?? "", made.toLocaleString("en"), ""],
      [measured[2]?.name ?? "", library.toLocaleString("en"), `${(given / library).toFixed(1)} ×`],
      ["Go, x509.CreateCertificate, public key given", go.toLocaleString("en"), `${(given / go).toFixed(1)} ×`],
    ],
    targets: [
      { what: "issued per CPU second, key given", goal: `≥ ${GOAL.toLocaleString("en")}`, value: given, met: given >= GOAL },
      { what: "issued per CPU second, key made", goal: `≥ ${GOAL_WITH_KEY.toLocaleString("en")}`, value: made, met: made >= GOAL_WITH_KEY },
    ],
  };
}

/** The same leaf by the library, as its documentation does it. */
async function peculiar(): Promise<() => Promise<unknown>> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const ca = await webcrypto.subtle.generateKey(algorithm, false, ["sign", "verify"]);
  const leaf = await webcrypto.subtle.generateKey(algorithm, false, ["sign", "verify"]);
  let serial = 0;
  return () =>
    X509CertificateGenerator.create({
      serialNumber: (++serial).toString(16).padStart(8, "0"),
      issuer: "CN=bench",
      notBefore: new Date(),
      notAfter: new Date(Date.now() + HOUR_MS),
      publicKey: leaf.publicKey,
      signingKey: ca.privateKey,
      signingAlgorithm: algorithm,
      extensions: [new SubjectAlternativeNameExtension([{ type: "url", value: "spiffe://example.org/default/web" }], true)],
    });
}
