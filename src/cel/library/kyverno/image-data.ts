/** Kyverno's `image` variable: what a registry knows of an image. */
import type { Library } from "../../declaration.ts";
import { quote } from "../../runtime/failure.ts";
import { type CelType, DYN, opaqueType } from "../../type.ts";
import { method, opaque, type Parameter, string } from "../define.ts";
import { Handle } from "../handle.ts";
import { inBothCases, type Lookup, lookedUp } from "./lookup.ts";

/** Answers from the metadata that were fetched beforehand. */
export interface ImageDataSource {
  /** Kyverno's image data: image, resolvedImage, registry, repository, tag, digest, imageIndex, manifest, config. */
  get(image: string): Lookup;
}

export const IMAGE_DATA_CONTEXT: CelType = opaqueType("imagedata.Context");

/** The value of the variable `image`. */
export const imageDataContext = (source: ImageDataSource): Handle<ImageDataSource> => new Handle(IMAGE_DATA_CONTEXT, source);

const context: Parameter<Handle<ImageDataSource>> = opaque(IMAGE_DATA_CONTEXT);

export const imageDataLibrary: Library = {
  name: "kyverno.imageData",
  functions: inBothCases("getMetadata", "GetMetadata", "Manifest, configuration and names of an image, from its registry.", (suffix) => [
    method(`imagedata_get_string_${suffix}`, [context, string], DYN, ({ content }, image) =>
      lookedUp(content.get(image), `the metadata of image ${quote(image)}`),
    ),
  ]),
};
