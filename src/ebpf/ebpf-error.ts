import { VigilError } from "../lib/error.ts";
import type { SourcePosition } from "./instruction.ts";

/** What the generator and the readers of this folder refuse; what the kernel refuses has its own codes in `kernel/`. */
export type EbpfErrorCode =
  | "EBPF_BTF"
  | "EBPF_BTF_LIMIT"
  | "EBPF_BTF_NAME"
  | "EBPF_JUMP"
  | "EBPF_RECORD"
  | "EBPF_RETURN"
  | "EBPF_RUN"
  | "EBPF_STACK"
  | "EBPF_UNINITIALISED";

/** A program that cannot be generated, or data that cannot be read. */
export class EbpfError extends VigilError<EbpfErrorCode> {
  /** Where the program says what is wrong, if it is known. */
  readonly source: SourcePosition | undefined;

  constructor(
    code: EbpfErrorCode,
    message: string,
    options: { readonly hint?: string; readonly cause?: unknown; readonly source?: SourcePosition | undefined } = {},
  ) {
    super(code, options.source === undefined ? message : `${message} (${options.source.file}:${options.source.line})`, options);
    this.name = "EbpfError";
    this.source = options.source;
  }
}
