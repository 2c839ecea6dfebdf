import { createHash } from "node:crypto";
import type { FunctionDeclaration, Library } from "../../declaration.ts";
import { STRING } from "../../type.ts";
import { traversal } from "../cost.ts";
import { declare, func, string } from "../define.ts";

const COST = traversal();

/** A hash under its name and, since Kyverno 1.18, under the name `hash.…`. */
function hash(algorithm: "md5" | "sha1" | "sha256"): readonly FunctionDeclaration[] {
  const description = `The ${algorithm} hash of a string, in hexadecimal.`;
  const digest = (text: string): string => createHash(algorithm).update(text.toWellFormed()).digest("hex");
  return [
    declare(algorithm, description, func(`${algorithm}_string_non_prefixed`, [string], STRING, digest, COST)),
    declare(`hash.${algorithm}`, description, func(`${algorithm}_string_prefixed`, [string], STRING, digest, COST)),
  ];
}

/** Kyverno's hash functions. */
export const hashLibrary: Library = { name: "kyverno.hash", functions: [...hash("md5"), ...hash("sha1"), ...hash("sha256")] };
