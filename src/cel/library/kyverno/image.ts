import type { FunctionDeclaration, Library, Overload } from "../../declaration.ts";
import { quote } from "../../runtime/failure.ts";
import { BOOL, STRING } from "../../type.ts";
import type { CelValue } from "../../value.ts";
import { declare, fail, func, method, opaque, type Parameter, string } from "../define.ts";
import { IMAGE, type ImageReference, parseImageReference } from "./image-reference.ts";

const image: Parameter<ImageReference> = opaque(IMAGE);

const imageOf = (text: string): CelValue => parseImageReference(text) ?? fail(`${quote(text)} is not an image reference`);

const parsing = (id: string): Overload => func(id, [string], IMAGE, imageOf);

const part = (name: string, description: string, read: (reference: ImageReference) => string): FunctionDeclaration =>
  declare(name, description, method(`image_${name}`, [image], STRING, read));

/** Kyverno's functions for image references. */
export const imageLibrary: Library = {
  name: "kyverno.image",
  functions: [
    declare("parseImageReference", "An image reference from its text.", parsing("string_to_image")),
    declare("image", "An image reference from its text; the older name of parseImageReference.", parsing("string_to_image_deprecated")),
    declare(
      "isImage",
      "Whether a string is an image reference.",
      func("is_image_string", [string], BOOL, (text) => parseImageReference(text) !== undefined),
    ),
    declare(
      "containsDigest",
      "Whether the reference has a digest.",
      method("image_contains_digest", [image], BOOL, ({ parts }) => parts.digest !== ""),
    ),
    part("registry", "The registry, index.docker.io unless another one is given.", ({ parts }) => parts.registry),
    part("repository", "The repository in the registry.", ({ parts }) => parts.repository),
    part("identifier", "The digest, or else the tag.", ({ parts }) => parts.digest || parts.tag),
    part("tag", "The tag, latest when neither tag nor digest is given, the empty string beside a digest.", ({ parts }) => parts.tag),
    part("digest", "The digest, or the empty string.", ({ parts }) => parts.digest),
  ],
};
