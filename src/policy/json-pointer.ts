/** JSON Pointer (RFC 6901): `/spec/containers/0/image` to and from its segments. */

/** The segments of a pointer, or undefined when the text is not one. The empty pointer means the whole document. */
export function parsePointer(pointer: string): readonly string[] | undefined {
  if (pointer === "") return [];
  if (!pointer.startsWith("/") || /~(?![01])/.test(pointer)) return undefined;
  return pointer
    .slice(1)
    .split("/")
    .map((segment) => segment.replaceAll("~1", "/").replaceAll("~0", "~"));
}

export const encodeSegment = (segment: string): string => segment.replaceAll("~", "~0").replaceAll("/", "~1");
