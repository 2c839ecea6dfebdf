/** Serial numbers of certificates: 128 bits, of which 126 are random; positive, and always 16 octets. */

export const SERIAL_BYTES = 16;

/** Makes `random` octets a serial number: in place. */
function asSerial(octets: Uint8Array): Uint8Array {
  octets[0] = ((octets[0] ?? 0) & 0x3f) | 0x40;
  return octets;
}

export const randomSerial = (random: (bytes: number) => Uint8Array): Uint8Array => asSerial(Uint8Array.from(random(SERIAL_BYTES)));

/** As certificates, commands and deny lists write it. */
export const serialText = (serial: Uint8Array): string => Buffer.from(serial).toString("hex");

/** Drawing randomness for one serial costs as much as hashing: it is drawn for many. */
const POOLED = 256;

export class SerialSource {
  readonly #random: (bytes: number) => Uint8Array;
  #pool: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(random: (bytes: number) => Uint8Array) {
    this.#random = random;
  }

  next(): Uint8Array {
    if (this.#at >= this.#pool.length) {
      this.#pool = Uint8Array.from(this.#random(SERIAL_BYTES * POOLED));
      this.#at = 0;
    }
    const serial = this.#pool.subarray(this.#at, this.#at + SERIAL_BYTES);
    this.#at += SERIAL_BYTES;
    return asSerial(serial);
  }
}
