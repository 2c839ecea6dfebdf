/** What a node signs to prove that it holds the key of its certificate. */
import { hash } from "node:crypto";

const CONTEXT = Buffer.from("vigil node attestation v1\0");
const RANDOM_BYTES = 32;

/** The agent's new key is in what is signed: nobody can have another key certified by a signature that passes by. */
export const encodeNodeChallenge = (random: (bytes: number) => Uint8Array, publicKeyInfo: Uint8Array): Uint8Array =>
  Buffer.concat([CONTEXT, random(RANDOM_BYTES), hash("sha256", publicKeyInfo, "buffer")]);

/** Whether these octets are a challenge about this key, and so may be signed: nobody gets a signature over anything else. UNTRUSTED. */
export function isNodeChallenge(octets: Uint8Array, publicKeyInfo: Uint8Array): boolean {
  const digest = hash("sha256", publicKeyInfo, "buffer");
  return (
    octets.length === CONTEXT.length + RANDOM_BYTES + digest.length &&
    CONTEXT.equals(octets.subarray(0, CONTEXT.length)) &&
    digest.equals(octets.subarray(octets.length - digest.length))
  );
}
