/**
 * ECDSA signatures in their two encodings: DER, as X.509 has them (RFC 3279 §2.2.3), and the two numbers side by side, as JOSE has them
 * (RFC 7518 §3.4). `node:crypto` converts too, at the price of a second signature: it exports the key to learn its size.
 */
import { encodeSequence, encodeUnsignedInteger } from "./der.ts";
import { readDer } from "./der-reader.ts";

/** The DER of two numbers of `coordinateBytes` each; undefined when the octets are not as many. */
export function derOfPlainSignature(plain: Uint8Array, coordinateBytes: number): Uint8Array | undefined {
  if (plain.length !== 2 * coordinateBytes) return undefined;
  return encodeSequence(encodeUnsignedInteger(plain.subarray(0, coordinateBytes)), encodeUnsignedInteger(plain.subarray(coordinateBytes)));
}

/** The two numbers of a signature in DER, `coordinateBytes` each. Throws a TypeError on what is no signature of that size: no stranger makes it. */
export function plainSignatureOf(der: Uint8Array, coordinateBytes: number): Uint8Array {
  const plain = new Uint8Array(2 * coordinateBytes);
  const read = readDer(der, (reader) =>
    reader.sequence((pair) => {
      for (const end of [coordinateBytes, 2 * coordinateBytes]) {
        const magnitude = pair.unsignedInteger();
        if (magnitude.length > coordinateBytes) throw new TypeError(`expected numbers of ${coordinateBytes} octets`);
        plain.set(magnitude, end - magnitude.length);
      }
    }),
  );
  if (!read.ok) throw new TypeError(`expected an ECDSA signature in DER: ${read.error.message}`);
  return plain;
}
