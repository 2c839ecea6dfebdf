/** Types as BTF describes them (Documentation/bpf/btf.rst). */

export interface BtfMember {
  /** Empty when anonymous. */
  readonly name: string;
  readonly type: number;
  /** From the start of the struct. */
  readonly bitOffset: number;
  /** 0 when it is no bit field. */
  readonly bitSize: number;
}

export interface BtfParameter {
  readonly name: string;
  readonly type: number;
}

/** `type` and `id` are ids: 0 is `void`. */
export type BtfType =
  | { readonly kind: "void" }
  | { readonly kind: "int"; readonly name: string; readonly size: number; readonly bits: number; readonly isSigned: boolean }
  | { readonly kind: "pointer"; readonly type: number }
  | { readonly kind: "array"; readonly element: number; readonly length: number }
  | { readonly kind: "struct" | "union"; readonly name: string; readonly size: number; readonly members: readonly BtfMember[] }
  | {
      readonly kind: "enum" | "enum64";
      readonly name: string;
      readonly size: number;
      readonly isSigned: boolean;
      readonly values: readonly { readonly name: string; readonly value: bigint }[];
    }
  | { readonly kind: "forward"; readonly name: string }
  | { readonly kind: "typedef" | "volatile" | "const" | "restrict" | "type_tag"; readonly name: string; readonly type: number }
  | { readonly kind: "function"; readonly name: string; readonly type: number }
  | { readonly kind: "prototype"; readonly returns: number; readonly parameters: readonly BtfParameter[] }
  | { readonly kind: "variable"; readonly name: string; readonly type: number }
  | { readonly kind: "section"; readonly name: string; readonly size: number }
  | { readonly kind: "float"; readonly name: string; readonly size: number }
  | { readonly kind: "decl_tag"; readonly name: string; readonly type: number };

export type BtfKind = BtfType["kind"];

/** Ids of kinds, by number. */
export const BTF_KINDS: readonly BtfKind[] = [
  "void",
  "int",
  "pointer",
  "array",
  "struct",
  "union",
  "enum",
  "forward",
  "typedef",
  "volatile",
  "const",
  "restrict",
  "function",
  "prototype",
  "variable",
  "section",
  "float",
  "decl_tag",
  "type_tag",
  "enum64",
];
