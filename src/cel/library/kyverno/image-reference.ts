/** References of container images, as Docker and go-containerregistry complete them: `nginx` is index.docker.io/library/nginx:latest. */
import { type CelType, opaqueType } from "../../type.ts";
import { CelOpaque } from "../../value.ts";
import { isAuthority } from "../kubernetes/url-value.ts";

export const IMAGE: CelType = opaqueType("kyverno.image");

interface ImageParts {
  readonly registry: string;
  readonly repository: string;
  /** `latest` when the text has neither tag nor digest; empty with a digest. */
  readonly tag: string;
  /** `sha256:…`, or empty. */
  readonly digest: string;
}

/** Two references are equal when they were written alike: `nginx` is not `nginx:latest`. */
export class ImageReference extends CelOpaque {
  readonly text: string;
  readonly parts: ImageParts;

  constructor(text: string, parts: ImageParts) {
    super();
    this.text = text;
    this.parts = parts;
  }

  override get celType(): CelType {
    return IMAGE;
  }

  override equals(other: CelOpaque): boolean {
    return other instanceof ImageReference && this.text === other.text;
  }

  override toCelJson(): string {
    return this.text;
  }
}

const DEFAULT_REGISTRY = "index.docker.io";

/** The reference that a text is, or undefined. UNTRUSTED. */
export function parseImageReference(text: string): ImageReference | undefined {
  const tagged = parseTagged(text);
  if (tagged !== undefined) return new ImageReference(text, { ...tagged, digest: "" });
  const [base = "", digest, ...more] = text.split("@");
  if (digest === undefined || more.length > 0 || !/^sha256:[0-9a-f]{64}$/.test(digest)) return undefined;
  // A tag beside a digest is dropped.
  const repository = parseTagged(base) ?? parseRepository(base);
  return repository && new ImageReference(text, { ...repository, tag: "", digest });
}

function parseTagged(text: string): Omit<ImageParts, "digest"> | undefined {
  const colon = text.lastIndexOf(":");
  // A colon before a slash belongs to the port of a registry.
  const hasTag = colon !== -1 && !text.includes("/", colon);
  const tag = hasTag ? text.slice(colon + 1) : "latest";
  if (!/^[\w.-]{1,128}$/.test(tag)) return undefined;
  const repository = parseRepository(hasTag ? text.slice(0, colon) : text);
  return repository && { ...repository, tag };
}

function parseRepository(text: string): Pick<ImageParts, "registry" | "repository"> | undefined {
  const slash = text.indexOf("/");
  const first = text.slice(0, Math.max(slash, 0));
  const hasRegistry = first.includes(".") || first.includes(":");
  const path = hasRegistry ? text.slice(slash + 1) : text;
  if (!/^[a-z0-9_\-./]{2,255}$/.test(path) || (hasRegistry && !isAuthority(first))) return undefined;
  const registry = !hasRegistry || first === "docker.io" ? DEFAULT_REGISTRY : first;
  return { registry, repository: registry === DEFAULT_REGISTRY && !path.includes("/") ? `library/${path}` : path };
}
