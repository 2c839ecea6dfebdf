/** PEM (RFC 7468): labelled base64 between text and DER. */
import { VigilError } from "./error.ts";
import { err, ok, type Result } from "./result.ts";

export type PemErrorCode = "PEM_INVALID" | "PEM_LIMIT";

export interface PemBlock {
  /** `CERTIFICATE`, `PRIVATE KEY`, … */
  readonly label: string;
  readonly der: Uint8Array;
}

/** No bundle of trust anchors in use is larger. */
export const MAX_PEM_BYTES: number = 1024 * 1024;
const MAX_BLOCKS = 1024;
const LINE_LENGTH = 64;

/** The block with lines of 64 characters and a final line break. */
export function encodePem({ label, der }: PemBlock): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString("base64");
  const lines = base64.match(new RegExp(`.{1,${LINE_LENGTH}}`, "g")) ?? [];
  return `-----BEGIN ${label}-----\n${lines.map((line) => `${line}\n`).join("")}-----END ${label}-----\n`;
}

/**
 * The blocks of a text in order, at least one. Text outside blocks is ignored, as RFC 7468 §5.2 allows; everything inside must be exact:
 * matching labels, no headers, canonical base64.
 */
export function parsePem(text: string): Result<readonly PemBlock[], VigilError<PemErrorCode>> {
  if (text.length > MAX_PEM_BYTES)
    return err(new VigilError("PEM_LIMIT", `expected at most ${MAX_PEM_BYTES} characters of PEM, got ${text.length}`));
  const blocks: PemBlock[] = [];
  let label: string | undefined;
  let base64 = "";
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const boundary = /^-----(BEGIN|END) ([A-Z0-9][A-Z0-9 ]*)-----\s*$/.exec(line);
    if (boundary === null) {
      if (label !== undefined) base64 += line.trim();
      continue;
    }
    const isBegin = boundary[1] === "BEGIN";
    if (isBegin === (label !== undefined) || (!isBegin && boundary[2] !== label)) return invalid(index, "unmatched boundary");
    if (isBegin) {
      label = boundary[2];
      base64 = "";
      continue;
    }
    const der = Buffer.from(base64, "base64");
    if (der.length === 0 || der.toString("base64") !== base64) return invalid(index, "not canonical base64");
    if (blocks.length >= MAX_BLOCKS) return err(new VigilError("PEM_LIMIT", `more than ${MAX_BLOCKS} blocks of PEM`));
    blocks.push({ label: label ?? "", der });
    label = undefined;
  }
  if (label !== undefined) return err(new VigilError("PEM_INVALID", `the block \`${label}\` does not end`));
  return blocks.length === 0 ? err(new VigilError("PEM_INVALID", "no PEM block found")) : ok(blocks);
}

const invalid = (index: number, message: string): Result<never, VigilError<PemErrorCode>> =>
  err(new VigilError("PEM_INVALID", `${message} in line ${index + 1} of the PEM text`));
