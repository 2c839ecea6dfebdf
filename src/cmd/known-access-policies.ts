/** Access policies as they are read again and again: what did not change stays the same object, so that what is made of it is made once. */
import type { Diagnostic } from "../lib/diagnostic.ts";
import { type AccessResource, parseAccessResource } from "../resource/access-resource.ts";
import type { Document } from "../resource/document.ts";

export class KnownAccessPolicies {
  #known = new Map<string, AccessResource>();

  /** Those among the documents, and what is wrong with them; documents of other kinds are passed over. */
  read(documents: readonly Document[]): { readonly resources: readonly AccessResource[]; readonly mistakes: readonly Diagnostic[] } {
    const next = new Map<string, AccessResource>();
    const mistakes: Diagnostic[] = [];
    for (const document of documents) {
      const key = `${document.file}:${document.line}\n${contentOf(document)}`;
      const known = this.#known.get(key) ?? parseOne(document, mistakes);
      if (known !== undefined) next.set(key, known);
    }
    if (mistakes.length === 0) this.#known = next;
    return { resources: [...next.values()], mistakes };
  }
}

const contentOf = ({ value }: Document): string => JSON.stringify(value, (_, item) => (typeof item === "bigint" ? `${item}n` : item));

function parseOne(document: Document, mistakes: Diagnostic[]): AccessResource | undefined {
  const parsed = parseAccessResource(document);
  if (parsed.kind === "refused") mistakes.push(...parsed.diagnostics);
  return parsed.kind === "access" ? parsed.resource : undefined;
}
