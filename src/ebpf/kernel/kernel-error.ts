/** What goes wrong between a program and the kernel. System calls that fail otherwise are `LINUX_CALL`. */
import { VigilError } from "../../lib/error.ts";

export type EbpfKernelErrorCode = "EBPF_VERIFIER" | "EBPF_PRIVILEGE" | "EBPF_PIN" | "EBPF_TRACEPOINT" | "EBPF_NO_BTF";

/** The kernel's verifier refused a program. */
export class VerifierError extends VigilError<"EBPF_VERIFIER"> {
  /** The program's name. */
  readonly program: string;
  /** What the verifier said, in full. */
  readonly log: string;

  constructor(program: string, message: string, options: { readonly log: string; readonly hint?: string | undefined }) {
    super("EBPF_VERIFIER", message, options.hint === undefined ? {} : { hint: options.hint });
    this.program = program;
    this.log = options.log;
  }
}
