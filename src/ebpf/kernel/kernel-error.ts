/** What goes wrong between a program and the kernel. System calls that fail otherwise are `LINUX_CALL`. */
import { VigilError } from "../../lib/error.ts";
import type { SourcePosition } from "../instruction.ts";

export type EbpfKernelErrorCode = "EBPF_VERIFIER" | "EBPF_PRIVILEGE" | "EBPF_PIN" | "EBPF_TRACEPOINT" | "EBPF_NO_BTF";

/** The kernel's verifier refused a program. */
export class VerifierError extends VigilError<"EBPF_VERIFIER"> {
  readonly program: string;
  /** Where our own source generates what is refused, if that is known. */
  readonly source: SourcePosition | undefined;
  /** What the verifier said, in full. */
  readonly log: string;

  constructor(
    message: string,
    details: {
      readonly program: string;
      readonly log: string;
      readonly source?: SourcePosition | undefined;
      readonly hint?: string | undefined;
    },
  ) {
    const { program, log, source, hint } = details;
    const where = source === undefined ? "" : ` (${source.file}:${source.line}:${source.column})`;
    super("EBPF_VERIFIER", message + where, hint === undefined ? {} : { hint });
    this.program = program;
    this.source = source;
    this.log = log;
  }
}
