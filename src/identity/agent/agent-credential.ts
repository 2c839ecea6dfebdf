/** The agent's own SVID and the bundle of its authority, kept over restarts: a join token works once. */
import { mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { writeFileAtomic } from "../../lib/atomic-write.ts";
import { encodeJson, isJsonArray, isJsonObject } from "../../lib/json.ts";
import { parseStrictJson } from "../../lib/strict-json.ts";
import { jsonOfTrustBundle, parseTrustBundle, type TrustBundle } from "../../spiffe/bundle.ts";
import type { TrustDomain } from "../../spiffe/spiffe-id.ts";
import { parseX509Svid, type X509Svid } from "../../spiffe/x509-svid.ts";

export interface AgentCredential {
  readonly svid: X509Svid;
  /** Of the authority that signed it. */
  readonly authorityId: string;
  /** When the authority wishes it renewed; 0: at half of its life. */
  readonly renewAtMs: number;
}

export interface KeptCredential {
  readonly credential: AgentCredential | undefined;
  readonly bundle: TrustBundle;
  /** Of the file that the bundle began with. */
  readonly firstDigest: string;
}

/** Writes with mode 0600, in a directory of mode 0700. Rejects with the file system's error. */
export async function saveCredential(path: string, { credential, bundle, firstDigest }: KeptCredential): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const document = {
    bundle: jsonOfTrustBundle(bundle),
    firstDigest,
    ...(credential === undefined
      ? {}
      : {
          chain: base64(Buffer.concat(credential.svid.certificates.map(({ der }) => der))),
          key: base64(credential.svid.privateKey.export({ type: "pkcs8", format: "der" })),
          authorityId: credential.authorityId,
          renewAtMs: credential.renewAtMs,
        }),
  };
  await writeFileAtomic(path, encodeJson(document));
}

/** Undefined when there is none; throws when what is there is not what `saveCredential` writes. */
export async function loadCredential(path: string, trustDomain: TrustDomain): Promise<KeptCredential | undefined> {
  let octets: Uint8Array;
  try {
    octets = await readFile(path);
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return undefined;
    throw thrown;
  }
  const json = parseStrictJson(octets);
  if (!json.ok) throw json.error;
  if (!isJsonObject(json.value)) throw new TypeError("expected an object");
  const { bundle: document, firstDigest, chain, key, authorityId, renewAtMs } = json.value;
  if (!isJsonObject(document) || isJsonArray(document) || typeof firstDigest !== "string") throw new TypeError("expected a bundle");
  const bundle = parseTrustBundle(Buffer.from(encodeJson(document)), trustDomain);
  if (!bundle.ok) throw bundle.error;
  if (chain === undefined) return { credential: undefined, bundle: bundle.value, firstDigest };
  if (typeof chain !== "string" || typeof key !== "string" || typeof authorityId !== "string" || typeof renewAtMs !== "number")
    throw new TypeError("expected a chain with its key");
  const svid = parseX509Svid(Buffer.from(chain, "base64"), Buffer.from(key, "base64"));
  if (!svid.ok) throw svid.error;
  return { credential: { svid: svid.value, authorityId, renewAtMs }, bundle: bundle.value, firstDigest };
}

const base64 = (octets: Uint8Array): string => Buffer.from(octets).toString("base64");
