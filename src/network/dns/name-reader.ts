/** Names inside a message of DNS, with compression (RFC 1035 §4.1.4). */

/** Octets of a whole name, its lengths and final zero included (RFC 1035 §2.3.4). */
const MAX_NAME_BYTES = 255;
const MAX_LABEL_BYTES = 63;
const POINTER = 0xc0;
/** Of one name: no name needs more than it has labels, and few have as many. */
const MAX_POINTERS = 64;

export class NameReader {
  /** Where it reads next. */
  offset = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /**
   * The name at `offset`, which moves behind it: in lower case, without a final period, `.` for the root; octets other than letters, digits,
   * `-` and `_` are `\DDD`. Undefined when it is none. Pointers must lead backwards, each before the last one, so that no name is a loop.
   */
  readName({ mayPoint }: { readonly mayPoint: boolean }): string | undefined {
    const labels: string[] = [];
    let at = this.offset;
    let end: number | undefined;
    let limit = at;
    let total = 1;
    let pointers = 0;
    for (;;) {
      const length = this.#bytes[at];
      if (length === undefined) return undefined;
      if (length === 0) break;
      if (length >= POINTER) {
        const low = this.#bytes[at + 1];
        if (!mayPoint || low === undefined || ++pointers > MAX_POINTERS) return undefined;
        end ??= at + 2;
        at = ((length & 0x3f) << 8) | low;
        if (at >= limit) return undefined;
        limit = at;
        continue;
      }
      total += length + 1;
      if (length > MAX_LABEL_BYTES || total > MAX_NAME_BYTES || at + length >= this.#bytes.length) return undefined;
      labels.push(labelText(this.#bytes.subarray(at + 1, at + 1 + length)));
      at += length + 1;
    }
    this.offset = end ?? at + 1;
    return labels.length === 0 ? "." : labels.join(".");
  }
}

function labelText(octets: Uint8Array): string {
  let text = "";
  for (const octet of octets) {
    const isUpper = octet >= 0x41 && octet <= 0x5a;
    const isPlain = isUpper || (octet >= 0x61 && octet <= 0x7a) || (octet >= 0x30 && octet <= 0x39) || octet === 0x2d || octet === 0x5f;
    text += isPlain ? String.fromCharCode(isUpper ? octet | 0x20 : octet) : `\\${String(octet).padStart(3, "0")}`;
  }
  return text;
}
