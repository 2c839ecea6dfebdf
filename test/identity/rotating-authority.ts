/**
 * Authorities that do nothing but change their keys and issue, until they are killed: `node rotating-authority.ts DIRECTORY…`. Each
 * first writes its bundle, then a line for each SVID when it has been issued.
 */
import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { writeSync } from "node:fs";
import { join } from "node:path";
import { AUTHORITY_KINDS } from "../../src/identity/authority/authority-record.ts";
import { AuthoritySet } from "../../src/identity/authority/authority-set.ts";
import { DiskKeyStore } from "../../src/identity/authority/disk-key-store.ts";
import { fileStorage, StoredJournal } from "../../src/identity/authority/stored-journal.ts";
import { EMPTY_NAME, encodeSigned, encodeToBeSigned } from "../../src/lib/certificate.ts";
import { encodeJson } from "../../src/lib/json.ts";
import { jsonOfTrustBundle } from "../../src/spiffe/bundle.ts";
import { signJwtSvid } from "../../src/spiffe/jwt-svid.ts";
import { parseSpiffeId, parseTrustDomain } from "../../src/spiffe/spiffe-id.ts";

const KEY_TTL_MS = 60_000;
const SVID_TTL_MS = 15_000;

const parsedDomain = parseTrustDomain("example.org");
const parsedId = parseSpiffeId("spiffe://example.org/web");
if (!parsedDomain.ok || !parsedId.ok) throw new Error("no trust domain");
const [trustDomain, id] = [parsedDomain.value, parsedId.value];
const publicKeyInfo = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ type: "spki", format: "der" });

async function open(directory: string): Promise<AuthoritySet> {
  const keyStore = await DiskKeyStore.open(join(directory, "keys"));
  return AuthoritySet.open({
    trustDomain,
    journal: await StoredJournal.open(fileStorage(join(directory, "journal.json")), trustDomain, keyStore),
    keyStore,
    upstream: undefined,
    lifetimeOf: () => ({ keyType: "ec-p256", ttlMs: KEY_TTL_MS }),
    refreshHintMs: () => 1_000,
    nowMs: Date.now,
    random: randomBytes,
    onNews: () => undefined,
  });
}

/** One line, at once: what was written when the process is killed has been issued. */
const tell = (line: object): void => void writeSync(1, `${JSON.stringify(line)}\n`);

function issue(directory: string, authorities: AuthoritySet): void {
  const nowMs = Date.now();
  const { issuer, key, record } = authorities.certificateSigner();
  const toBeSigned = encodeToBeSigned({
    profile: { kind: "leaf", names: [{ kind: "uri", value: id }], usages: ["serverAuth", "clientAuth"] },
    subject: EMPTY_NAME,
    publicKeyInfo,
    serial: randomBytes(16),
    notBeforeMs: nowMs - 10_000,
    notAfterMs: Math.min(nowMs + SVID_TTL_MS, record.notAfterMs),
    issuer,
  });
  const jwt = authorities.tokenSigner("jwt");
  if (key.privateKey === undefined || jwt.key.privateKey === undefined) throw new Error("the keys are elsewhere");
  const leaf = encodeSigned(toBeSigned, key.scheme, sign(key.scheme.hash, toBeSigned, key.privateKey));
  const content = { id, audience: ["db"], issuedAtMs: nowMs, expiresAtMs: Math.min(nowMs + SVID_TTL_MS, jwt.record.notAfterMs) };
  const token = signJwtSvid(content, { keyId: jwt.record.id, algorithm: jwt.algorithm, privateKey: jwt.key.privateKey });
  tell({ directory, leaf: Buffer.from(leaf).toString("base64"), token });
}

async function live(directory: string): Promise<void> {
  const authorities = await open(directory);
  tell({ directory, bundle: encodeJson(jsonOfTrustBundle(authorities.bundle)) });
  issue(directory, authorities);
  for (;;)
    for (const kind of AUTHORITY_KINDS) {
      await authorities.advance();
      await authorities.prepare(kind);
      issue(directory, authorities);
      await authorities.activate(kind, undefined, true);
      issue(directory, authorities);
    }
}

await Promise.all(process.argv.slice(2).map(live));
