/**
 * All extension libraries by the family that they come from. Each list is complete for its family: it is what an environment
 * of that family has beyond the standard library, so families overlap. Libraries of one name are variants of one library.
 */
import type { Library } from "../declaration.ts";
import type { CelValue } from "../value.ts";
import { bindingsLibrary, comprehensionsLibrary } from "./bindings.ts";
import { encodersLibrary } from "./encoders.ts";
import { authorizerLibrary } from "./kubernetes/authorizer.ts";
import { cidrLibrary } from "./kubernetes/cidr.ts";
import { formatLibrary } from "./kubernetes/format.ts";
import { ipLibrary } from "./kubernetes/ip.ts";
import { jsonPatchLibrary } from "./kubernetes/jsonpatch.ts";
import { kubernetesListsLibrary } from "./kubernetes/lists.ts";
import { quantityLibrary } from "./kubernetes/quantity.ts";
import { kubernetesRegexLibrary } from "./kubernetes/regex.ts";
import { semverLibrary } from "./kubernetes/semver.ts";
import { urlLibrary } from "./kubernetes/url.ts";
import { generatorLibrary } from "./kyverno/generator.ts";
import { globalContextLibrary } from "./kyverno/global-context.ts";
import { gzipLibrary } from "./kyverno/gzip.ts";
import { hashLibrary } from "./kyverno/hash.ts";
import { httpLibrary } from "./kyverno/http.ts";
import { imageLibrary } from "./kyverno/image.ts";
import { imageDataLibrary } from "./kyverno/image-data.ts";
import { jsonLibrary } from "./kyverno/json.ts";
import { kyvernoMathLibrary } from "./kyverno/math.ts";
import { randomLibrary } from "./kyverno/random.ts";
import { resourceLibrary } from "./kyverno/resource.ts";
import { timeLibrary } from "./kyverno/time.ts";
import { transformLibrary } from "./kyverno/transform.ts";
import { userLibrary } from "./kyverno/user.ts";
import { x509Library } from "./kyverno/x509.ts";
import { yamlLibrary } from "./kyverno/yaml.ts";
import { listsLibrary } from "./lists.ts";
import { mathLibrary } from "./math.ts";
import { networkLibrary } from "./network.ts";
import { optionalsLibrary } from "./optionals.ts";
import { regexLibrary } from "./regex.ts";
import { setsLibrary } from "./sets.ts";
import { kubernetesStringsLibrary, stringsLibrary } from "./strings.ts";

/** The extensions of cel-go at their newest versions. */
export const extensionLibraries: readonly Library[] = [
  optionalsLibrary,
  bindingsLibrary,
  comprehensionsLibrary,
  stringsLibrary,
  listsLibrary,
  setsLibrary,
  mathLibrary,
  encodersLibrary,
  regexLibrary,
  networkLibrary,
];

/** What Kubernetes' own libraries and Kyverno have in common. */
const sharedLibraries: readonly Library[] = [
  optionalsLibrary,
  kubernetesStringsLibrary,
  listsLibrary,
  setsLibrary,
  kubernetesListsLibrary,
  kubernetesRegexLibrary,
  urlLibrary,
  quantityLibrary,
  ipLibrary,
  cidrLibrary,
  formatLibrary,
  semverLibrary,
  jsonPatchLibrary,
];

/**
 * Everything that the API server of Kubernetes 1.36 enables in policies. Since 1.23: lists, regex, url; 1.27: authorizer;
 * 1.28: optionals, quantity; 1.29: strings version 2, sets; 1.30: ip, cidr; 1.31: format; 1.32: comprehensions over two
 * variables, jsonpatch; 1.33: semver; 1.34: cel-go's lists version 3.
 */
export const kubernetesLibraries: readonly Library[] = [...sharedLibraries, comprehensionsLibrary, authorizerLibrary];

/** What Kyverno's functions need of the outside; the language itself reads no clock and no randomness. */
export interface KyvernoOptions {
  /** Milliseconds since the epoch, for `time.now()`. */
  readonly nowMs: () => number;
  /** A number in [0, 1), for `random()`. */
  readonly random: () => number;
  /** One YAML document as JSON, or a `CelError`, for `yaml.parse`. */
  readonly parseYaml: (text: string) => CelValue;
  /** The namespace of a namespaced policy: its `resource` functions take no namespace and stay inside this one. */
  readonly namespace?: string;
}

/**
 * Everything that Kyverno 1.18 enables in its policies. The variables `resource`, `http`, `globalContext`, `image` and
 * `generator`, whose functions are among these, are bound by the caller.
 */
export const kyvernoLibraries = ({ nowMs, random, parseYaml, namespace }: KyvernoOptions): readonly Library[] => [
  ...sharedLibraries,
  bindingsLibrary,
  comprehensionsLibrary,
  mathLibrary,
  encodersLibrary,
  regexLibrary,
  hashLibrary,
  kyvernoMathLibrary,
  jsonLibrary,
  yamlLibrary(parseYaml),
  gzipLibrary,
  randomLibrary(random),
  timeLibrary(nowMs),
  transformLibrary,
  userLibrary,
  x509Library,
  imageLibrary,
  imageDataLibrary,
  resourceLibrary(namespace),
  globalContextLibrary,
  httpLibrary,
  generatorLibrary(namespace),
];

const nothing: KyvernoOptions = { nowMs: () => 0, random: () => 0, parseYaml: () => null };
const libraryNames: ReadonlyMap<string, string> = new Map(
  [...kyvernoLibraries(nothing), ...kubernetesLibraries, ...extensionLibraries].flatMap(({ name, functions }) =>
    functions.map((declaration): readonly [string, string] => [declaration.name, name]),
  ),
);

/** The name of a library that has a function, for a message about one that is not enabled; undefined for an unknown function. */
export const libraryOf = (functionName: string): string | undefined => libraryNames.get(functionName);
