/** URLs as Go's net/url reads them: leniently, by bytes, without resolving or normalising anything. */
import { parseIpAddress } from "../../../lib/ip-address.ts";
import { encodeUtf8 } from "../../runtime/bytes.ts";
import { type CelType, opaqueType } from "../../type.ts";
import { CelOpaque } from "../../value.ts";

export const URL_TYPE: CelType = opaqueType("kubernetes.URL");

interface UrlParts {
  readonly scheme: string;
  /** The rest of a URL such as `mailto:a@b`, which has no host and no path. */
  readonly opaque: string;
  readonly user: { readonly name: string; readonly password: string | null } | null;
  readonly hasAuthority: boolean;
  /** Name and port, unescaped. */
  readonly host: string;
  /** Escaped. */
  readonly path: string;
  /** As given; null without `?`. */
  readonly query: string | null;
  /** Escaped. */
  readonly fragment: string;
}

export class UrlValue extends CelOpaque {
  readonly parts: UrlParts;

  constructor(parts: UrlParts) {
    super();
    this.parts = parts;
  }

  override get celType(): CelType {
    return URL_TYPE;
  }

  override equals(other: CelOpaque): boolean {
    return other instanceof UrlValue && this.toString() === other.toString();
  }

  override toString(): string {
    const { scheme, opaque, query, fragment, path } = this.parts;
    const prefix = scheme === "" ? "" : `${scheme}:`;
    const suffix = (query === null ? "" : `?${query}`) + (fragment === "" ? "" : `#${fragment}`);
    return prefix + (opaque === "" ? this.#authority() + path : opaque) + suffix;
  }

  override toCelJson(): string {
    return this.toString();
  }

  #authority(): string {
    const { user, host, hasAuthority, path } = this.parts;
    if (!hasAuthority || (user === null && host === "" && path === "")) return "";
    const password = user?.password == null ? "" : `:${percentEncode(user.password, USER)}`;
    const slash = host !== "" && path !== "" && !path.startsWith("/") ? "/" : "";
    return `//${user === null ? "" : `${percentEncode(user.name, USER)}${password}@`}${percentEncode(host, HOST)}${slash}`;
  }

  /** Host name without brackets, and port. */
  get address(): { readonly hostname: string; readonly port: string } {
    const { host } = this.parts;
    const colon = host.lastIndexOf(":");
    const hasPort = colon !== -1 && /^\d*$/.test(host.slice(colon + 1));
    const name = hasPort ? host.slice(0, colon) : host;
    const hostname = name.startsWith("[") && name.endsWith("]") ? name.slice(1, -1) : name;
    return { hostname, port: hasPort ? host.slice(colon + 1) : "" };
  }

  /** Parameters by name, unescaped; those that are malformed are left out, and all when there are too many. */
  get parameters(): { readonly [name: string]: readonly string[] } {
    const parameters = new Map<string, string[]>();
    const settings = (this.parts.query ?? "").split("&");
    if (settings.length > MAX_PARAMETERS) return {};
    for (const setting of settings) {
      if (setting === "" || setting.includes(";")) continue;
      const equals = setting.indexOf("=");
      const name = percentDecode((equals === -1 ? setting : setting.slice(0, equals)).replaceAll("+", " "));
      const value = equals === -1 ? "" : percentDecode(setting.slice(equals + 1).replaceAll("+", " "));
      if (name === undefined || value === undefined) continue;
      const values = parameters.get(name);
      if (values === undefined) parameters.set(name, [value]);
      else values.push(value);
    }
    // `fromEntries` defines properties, so that a parameter `__proto__` is one too.
    return Object.fromEntries(parameters);
  }
}

const MAX_PARAMETERS = 10_000;

/** The absolute URL or absolute path that a text is, or undefined. UNTRUSTED: linear. */
export function parseUrl(text: string): UrlValue | undefined {
  // As Kubernetes: first as the URI of a request, where `#` has no meaning, then with the fragment cut off.
  if (!isRequestUri(text)) return undefined;
  const hash = text.indexOf("#");
  const parts = parse(hash === -1 ? text : text.slice(0, hash), false);
  const fragment = hash === -1 ? "" : normalEncoding(text.slice(hash + 1), FRAGMENT);
  return parts === undefined || fragment === undefined ? undefined : new UrlValue({ ...parts, fragment });
}

/** Whether the text is a URL for `isURL`. */
export const isRequestUri = (text: string): boolean => text !== "" && parse(text, true) !== undefined;

/** Whether the text is a host with or without a port, and nothing else. */
export const isAuthority = (text: string): boolean => parse(`//${text}`, false)?.host === text;

const NOTHING: UrlParts = { scheme: "", opaque: "", user: null, hasAuthority: false, host: "", path: "", query: null, fragment: "" };

function parse(text: string, isRequest: boolean): UrlParts | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  if (/[\x00-\x1f\x7f]/.test(text)) return undefined;
  if (text === "*") return { ...NOTHING, path: "*" };
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)?.[1];
  if (scheme === undefined && text.startsWith(":")) return undefined;
  const afterScheme = scheme === undefined ? text : text.slice(scheme.length + 1);
  const mark = afterScheme.indexOf("?");
  const rest = mark === -1 ? afterScheme : afterScheme.slice(0, mark);
  const given: UrlParts = { ...NOTHING, scheme: (scheme ?? "").toLowerCase(), query: mark === -1 ? null : afterScheme.slice(mark + 1) };
  if (!rest.startsWith("/")) {
    if (scheme !== undefined) return { ...given, opaque: rest };
    return isRequest || /^[^/]*:/.test(rest) ? undefined : withPath(given, rest);
  }
  const hasAuthority = rest.startsWith("//") && (scheme !== undefined || (!isRequest && !rest.startsWith("///")));
  if (!hasAuthority) return withPath(given, rest);
  const slash = rest.indexOf("/", 2);
  const authority = parseAuthority(given.scheme, slash === -1 ? rest.slice(2) : rest.slice(2, slash));
  return authority && withPath({ ...given, ...authority, hasAuthority: true }, slash === -1 ? "" : rest.slice(slash));
}

function withPath(parts: UrlParts, raw: string): UrlParts | undefined {
  const path = normalEncoding(raw, PATH);
  return path === undefined ? undefined : { ...parts, path };
}

function parseAuthority(scheme: string, authority: string): Pick<UrlParts, "user" | "host"> | undefined {
  const at = authority.lastIndexOf("@");
  const host = parseHost(scheme, authority.slice(at + 1));
  if (host === undefined) return undefined;
  if (at === -1) return { user: null, host };
  const info = authority.slice(0, at);
  if (!/^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/.test(info)) return undefined;
  const colon = info.indexOf(":");
  const name = percentDecode(colon === -1 ? info : info.slice(0, colon));
  const password = colon === -1 ? null : percentDecode(info.slice(colon + 1));
  return name === undefined || password === undefined ? undefined : { user: { name, password }, host };
}

function parseHost(scheme: string, host: string): string | undefined {
  const bracket = host.lastIndexOf("[");
  if (bracket > 0) return undefined;
  if (bracket === 0) return parseIpLiteral(host);
  const first = host.indexOf(":");
  // Several colons are let through where they always were, except in the URLs of the web.
  const colon = scheme === "http" || scheme === "https" ? first : host.lastIndexOf(":");
  if (colon !== -1 && !/^:\d*$/.test(host.slice(colon))) return undefined;
  return unescapeHost(host);
}

/** `[address]:port`, the address IPv6 with or without a zone. */
function parseIpLiteral(host: string): string | undefined {
  const end = host.lastIndexOf("]");
  const port = host.slice(end + 1);
  if (end === -1 || !/^(?::\d*)?$/.test(port)) return undefined;
  const literal = host.slice(1, end);
  const zoneStart = literal.indexOf("%25");
  const address = unescapeHost(zoneStart === -1 ? literal : literal.slice(0, zoneStart));
  const zone = zoneStart === -1 ? "" : unescapeZone(literal.slice(zoneStart));
  if (address === undefined || zone === undefined || zone === "%") return undefined;
  return parseIpAddress(address)?.length === 16 ? `[${address}${zone}]${port}` : undefined;
}

/** Percent-encoding in a host is for non-ASCII bytes and for the percent sign. */
const unescapeHost = (text: string): string | undefined =>
  /^(?:[!"$&'()*+,\-.0-9:;<=>A-Z[\]_a-z~]|\P{ASCII}|%25|%[89a-fA-F][0-9a-fA-F])*$/u.test(text) ? percentDecode(text) : undefined;

/** In a zone it is for what a host may have without encoding, and for spaces. */
function unescapeZone(text: string): string | undefined {
  const encoded = text.match(/%[0-9a-fA-F]{2}/g) ?? [];
  const isAllowed = encoded.every((byte) => HOST.test(percentDecode(byte) ?? "") || byte === "%20" || byte === "%25");
  return isAllowed && ZONE.test(text) ? percentDecode(text) : undefined;
}

const ZONE = /^(?:[!"$&'()*+,\-.0-9:;<=>A-Z[\]_a-z~%]|\P{ASCII})*$/u;

const STRAY_PERCENT = /%(?![0-9a-fA-F]{2})/;
const decoder = new TextDecoder();

/** The text with its percent-encoded bytes decoded, or undefined when a `%` is followed by anything else. */
function percentDecode(text: string): string | undefined {
  if (!text.includes("%")) return text;
  if (STRAY_PERCENT.test(text)) return undefined;
  return decoder.decode(bytesOf(text));
}

function bytesOf(text: string): Uint8Array {
  const pieces = text
    .split(/(%[0-9a-fA-F]{2})/)
    .map((piece, index) => (index % 2 === 1 ? Uint8Array.of(Number.parseInt(piece.slice(1), 16)) : encodeUtf8(piece)));
  return Buffer.concat(pieces);
}

/** What each component may have unescaped. */
const PATH = /[$&+,\-./0-9:;=@A-Z_a-z~]/;
const HOST = /[!"$&'()*+,\-.0-9:;<=>A-Z[\]_a-z~]/;
const USER = /[$&+,\-.0-9;=A-Z_a-z~]/;
const FRAGMENT = /[!$&()*+,\-./0-9:;=?@A-Z_a-z~]/;
/** What is left alone in a path or a fragment besides. */
const TOLERATED = /[!'()*[\]%]/;

/** An encoding that is valid is kept, however it was made; any other text is encoded anew. Undefined for a stray `%`. */
function normalEncoding(raw: string, allowed: RegExp): string | undefined {
  if (STRAY_PERCENT.test(raw)) return undefined;
  const isValid = Array.from(raw).every((character) => allowed.test(character) || TOLERATED.test(character));
  return isValid ? raw : encodeBytes(bytesOf(raw), allowed);
}

const percentEncode = (text: string, allowed: RegExp): string => encodeBytes(encodeUtf8(text), allowed);

function encodeBytes(bytes: Uint8Array, allowed: RegExp): string {
  let text = "";
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    text += byte < 0x80 && allowed.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}
