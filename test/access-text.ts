/** Access sets from the text of policies, for programs of the tests that are no tests themselves. */
import { type AccessSet, type AccessSetOptions, compileAccessSet } from "../src/policy/access/access-set.ts";
import { parseAccessResource } from "../src/resource/access-resource.ts";
import { readDocuments } from "../src/resource/document.ts";

/** Throws when something of it is no policy, or does not compile. */
export function accessSetOf(yaml: string, options: AccessSetOptions = {}): AccessSet {
  const resources = readDocuments(yaml, "policies.yaml").documents.map((document) => {
    const parsed = parseAccessResource(document);
    if (parsed.kind !== "access") throw new Error(`no access policy: ${JSON.stringify(parsed)}`);
    return parsed.resource;
  });
  const { set, diagnostics } = compileAccessSet(resources, options);
  if (diagnostics.length > 0) throw new Error(`does not compile: ${JSON.stringify(diagnostics)}`);
  return set;
}
