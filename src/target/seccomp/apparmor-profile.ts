/** Profiles as AppArmor policy (apparmor.d(5)): paths, capabilities, network. AppArmor knows no system calls; those are for seccomp. */
import type { PathAccess, PathUse, Profile } from "./profile.ts";

/** `r` read, `w` write and create, `ix` execute under the same profile, `m` map as code. */
const PERMISSION: { readonly [A in PathAccess]: string } = { read: "r", write: "w", create: "w", execute: "ix", map: "m" };

const FAMILY_NAMES: ReadonlyMap<bigint, string> = new Map([
  [1n, "unix"],
  [2n, "inet"],
  [10n, "inet6"],
  [16n, "netlink"],
  [17n, "packet"],
]);
const TYPE_NAMES: ReadonlyMap<bigint, string> = new Map([
  [1n, "stream"],
  [2n, "dgram"],
  [3n, "raw"],
  [5n, "seqpacket"],
]);

export interface AppArmorOptions {
  /** The program that the profile attaches to; without one it is only used by name. */
  readonly attachment?: string;
  readonly isComplaining?: boolean;
}

/** The text of a profile. */
export function appArmorProfile(profile: Profile, { attachment, isComplaining = false }: AppArmorOptions = {}): string {
  const flags = isComplaining ? " flags=(complain)" : "";
  const attached = attachment === undefined ? "" : ` ${quotePath(attachment)}`;
  const lines = [
    ...profile.capabilities.map((name) => `capability ${name},`),
    ...networkRules(profile),
    ...profile.paths.flatMap(pathRules),
  ];
  return [
    "abi <abi/3.0>,",
    "include <tunables/global>",
    "",
    `profile ${quotePath(`vigil-${profile.name}`)}${attached}${flags} {`,
    "  include <abstractions/base>",
    ...lines.map((line) => `  ${line}`),
    "}",
    "",
  ].join("\n");
}

function networkRules({ calls }: Profile): readonly string[] {
  const socket = calls.find(({ name }) => name === "socket");
  if (socket === undefined) return [];
  if (socket.alternatives.length === 0) return ["network,"];
  const rules = socket.alternatives.map((alternative) => {
    const asked = (argument: number): bigint | undefined => alternative.find((condition) => condition.argument === argument)?.value;
    const family = FAMILY_NAMES.get(asked(0) ?? -1n);
    const type = TYPE_NAMES.get(asked(1) ?? -1n);
    // A family that AppArmor has no word for here cannot be told apart from others by it.
    return family === undefined ? "network," : `network ${family}${type === undefined ? "" : ` ${type}`},`;
  });
  return [...new Set(rules)].sort();
}

function pathRules({ path, access, isDirectory }: PathUse): readonly string[] {
  const letters = [...new Set(access.map((each) => PERMISSION[each]))];
  // `ix` goes last; a directory is read by listing it, which AppArmor asks with a slash at its end.
  const permissions = ["r", "w", "m", "ix"].filter((letter) => letters.includes(letter)).join("");
  const shown = isDirectory && !path.endsWith("/") ? `${path}/` : path;
  return [`${quotePath(shown)} ${isDirectory ? permissions.replace("ix", "") || "r" : permissions},`];
}

/**
 * The one encoder of paths: UNTRUSTED names are quoted, AppArmor's patterns in them are escaped, and bytes that would end a line or a
 * string are written as octal escapes.
 */
export function quotePath(path: string): string {
  const escaped = [...path].map((character) => {
    const code = character.codePointAt(0) ?? 0;
    // The parser takes a backslash before the closing quote for an escaped quote, however it is written: any one character stands for it.
    if (character === "\\") return "?";
    if ('"*?[]{}^'.includes(character)) return `\\${character}`;
    return code < 0x20 || code === 0x7f ? `\\${code.toString(8).padStart(3, "0")}` : character;
  });
  return `"${escaped.join("")}"`;
}
