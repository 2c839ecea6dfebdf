/** What a Go program says of its build: the section `.go.buildinfo` of its file (Go 1.18 and later; debug/buildinfo). UNTRUSTED. */

export interface GoBuildInfo {
  readonly goVersion: string;
  /** Import path of the main package and version of its module; empty when not said. */
  readonly path: string;
  readonly module: string;
  readonly moduleVersion: string;
  /** `vcs.revision`, `vcs.time`, `vcs.modified`, `GOOS`, … */
  readonly settings: Readonly<Record<string, string>>;
}

const MAGIC = Buffer.from("\xff Go buildinf:", "latin1");
const HEADER_BYTES = 32;
const POINTER_FREE = 2;
const ALIGNMENT = 16;
/** Marks around the text of modules. */
const MARK_BYTES = 16;
const MAX_TEXT = 1 << 20;
const MAX_SETTINGS = 256;

/** Reads the part of the file in which it is; undefined when there is none, or one of older Go. */
export function parseGoBuildInfo(data: Buffer): GoBuildInfo | undefined {
  for (let at = data.indexOf(MAGIC); at >= 0; at = data.indexOf(MAGIC, at + 1)) {
    if (at % ALIGNMENT !== 0 || at + HEADER_BYTES > data.length || ((data[at + 15] ?? 0) & POINTER_FREE) === 0) continue;
    const version = readText(data, at + HEADER_BYTES);
    const modules = version === undefined ? undefined : readText(data, version.end);
    if (version === undefined || modules === undefined) continue;
    const { text } = modules;
    return { goVersion: version.text, ...parseModules(text.slice(MARK_BYTES, text.length - MARK_BYTES)) };
  }
  return undefined;
}

/** A text with its length before it as a varint. Latin-1 keeps the marks as long as they are. */
function readText(data: Buffer, from: number): { readonly text: string; readonly end: number } | undefined {
  let length = 0;
  let at = from;
  for (let shift = 0; ; shift += 7, at++) {
    const octet = data[at];
    if (octet === undefined || shift > 28) return undefined;
    length += (octet & 0x7f) * 2 ** shift;
    if (octet < 0x80) break;
  }
  const start = at + 1;
  if (length > MAX_TEXT || start + length > data.length) return undefined;
  return { text: data.toString("latin1", start, start + length), end: start + length };
}

/** Lines of words with tabs between them. */
function parseModules(text: string): Omit<GoBuildInfo, "goVersion"> {
  const settings: Record<string, string> = Object.create(null);
  let [path, module, moduleVersion, count] = ["", "", "", 0];
  for (const line of text.split("\n")) {
    const [kind, first = "", second = ""] = line.split("\t");
    if (kind === "path") path = first;
    else if (kind === "mod") [module, moduleVersion] = [first, second];
    else if (kind === "build" && count++ < MAX_SETTINGS) {
      const equals = first.indexOf("=");
      if (equals > 0) settings[first.slice(0, equals)] = first.slice(equals + 1);
    }
  }
  return { path, module, moduleVersion, settings };
}
