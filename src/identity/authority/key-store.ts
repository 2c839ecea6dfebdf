/** Where an authority's private keys are, and how they sign: in memory, on disk, or in a service that never gives them away. */
import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, sign } from "node:crypto";
import { promisify } from "node:util";
import { type SignatureScheme, signatureScheme } from "../../lib/certificate.ts";
import type { KeyType } from "../../resource/trust-domain.ts";
import type { RemoteTokenSigner } from "../../spiffe/compact-jws.ts";

/**
 * One private key. A key that is in this process signs at once (`privateKey`), which is what makes issuing fast; a key in a service
 * (KMS, Vault, PKCS#11) has no `privateKey`, and callers await `sign`.
 */
export interface SigningKey {
  readonly name: string;
  readonly keyType: KeyType;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKeyInfo: Uint8Array;
  readonly scheme: SignatureScheme;
  /** Undefined when the key cannot leave where it is. */
  readonly privateKey: KeyObject | undefined;
  /** The signature of the scheme's algorithm over `data`: ECDSA as DER, RSA as PKCS#1 v1.5. Rejects when the key's place is out of reach. */
  sign(data: Uint8Array): Promise<Uint8Array>;
}

/** What a store found under a name. */
export type LoadedKey =
  | { readonly kind: "key"; readonly key: SigningKey }
  | { readonly kind: "absent" }
  /** There is something, and it is not a whole key: a write was cut short, or somebody changed it. */
  | { readonly kind: "damaged"; readonly reason: string };

export interface KeyStore {
  /** How messages call it: `disk (/var/lib/vigil/authority/keys)`. */
  readonly description: string;
  /** A new key under a name that is not in use. When the promise resolves the key survives a power failure. */
  create(name: string, keyType: KeyType): Promise<SigningKey>;
  /** Rejects when the store cannot be asked: that is not the same as a key that is not there. */
  load(name: string): Promise<LoadedKey>;
  list(): Promise<readonly string[]>;
  /** Removes a key for good; one that is not there is no error. */
  delete(name: string): Promise<void>;
}

const generate = promisify(generateKeyPair);

/** A new private key, made off the event loop. */
export async function generateKey(keyType: KeyType): Promise<KeyObject> {
  switch (keyType) {
    case "ec-p256":
      return (await generate("ec", { namedCurve: "P-256" })).privateKey;
    case "ec-p384":
      return (await generate("ec", { namedCurve: "P-384" })).privateKey;
    case "rsa-2048":
    case "rsa-3072":
    case "rsa-4096":
      return (await generate("rsa", { modulusLength: Number(keyType.slice("rsa-".length)) })).privateKey;
    default:
      return keyType satisfies never;
  }
}

/** The type of a private key, or undefined for one that no authority has. */
export function keyTypeOf(key: KeyObject): KeyType | undefined {
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
  if (namedCurve === "prime256v1") return "ec-p256";
  if (namedCurve === "secp384r1") return "ec-p384";
  return ([2048, 3072, 4096] as const).map((bits) => (modulusLength === bits ? (`rsa-${bits}` as const) : undefined)).find(Boolean);
}

/** How tokens are signed with a key. */
export function tokenAlgorithmOf(keyType: KeyType): RemoteTokenSigner["algorithm"] {
  if (keyType === "ec-p256") return "ES256";
  return keyType === "ec-p384" ? "ES384" : "RS256";
}

/** A key that is in this process. */
export function localKey(name: string, keyType: KeyType, privateKey: KeyObject): SigningKey {
  const scheme = signatureScheme(privateKey);
  return {
    name,
    keyType,
    publicKeyInfo: createPublicKey(privateKey).export({ type: "spki", format: "der" }),
    scheme,
    privateKey,
    sign: async (data) => sign(scheme.hash, data, privateKey),
  };
}

/** The key of PKCS#8 in DER, or undefined when it is none that an authority has. */
export function readLocalKey(name: string, pkcs8: Uint8Array): SigningKey | undefined {
  try {
    const privateKey = createPrivateKey({ key: Buffer.from(pkcs8), format: "der", type: "pkcs8" });
    const keyType = keyTypeOf(privateKey);
    return keyType === undefined ? undefined : localKey(name, keyType, privateKey);
  } catch {
    // What OpenSSL says about a key that it cannot read may quote it.
    return undefined;
  }
}
