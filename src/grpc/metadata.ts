/** Metadata of calls as HTTP/2 headers (grpc `doc/PROTOCOL-HTTP2.md`, Custom-Metadata). */
import type { IncomingHttpHeaders } from "node:http2";

/** By lower-case name: text of printable ASCII, or octets under a name that ends in `-bin`. */
export type Metadata = Readonly<Record<string, string | Uint8Array>>;

const NAME = /^[0-9a-z_.-]+$/;
const TEXT = /^[ -~]*$/;

/** The header of an entry. Throws a TypeError on a name or value that cannot be sent: the caller's own mistake. */
export function encodeMetadataValue(name: string, value: string | Uint8Array): string {
  if (!NAME.test(name) || name.startsWith("grpc-")) throw new TypeError(`\`${name}\` is no name for metadata`);
  if (name.endsWith("-bin") !== (typeof value !== "string"))
    throw new TypeError(`\`${name}\`: octets, and only they, go under names in -bin`);
  if (typeof value !== "string") return Buffer.from(value).toString("base64").replace(/=+$/, "");
  if (!TEXT.test(value)) throw new TypeError(`the value of \`${name}\` is not printable ASCII`);
  return value;
}

/** The octets of a `-bin` header of the other side, the first if there are several; undefined when there is none. UNTRUSTED. */
export function binaryMetadata(headers: IncomingHttpHeaders, name: `${string}-bin`): Uint8Array | undefined {
  const value = textMetadata(headers, name);
  return value === undefined ? undefined : Buffer.from(value.split(",", 1)[0] ?? "", "base64");
}

/** A header of the other side; several of one name are joined by `, `. UNTRUSTED. */
export function textMetadata(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "object" ? value.join(", ") : value;
}
