/** What went wrong between this process and the kernel, in words. */
import { getSystemErrorMap } from "node:util";
import { VigilError } from "../lib/error.ts";

export type LinuxErrorCode = "LINUX_UNAVAILABLE" | "LINUX_CALL";

/** Errors of the kernel that Node.js has no name for, or another one; numbers are the same on x86-64 and arm64. */
const FURTHER_ERRORS: readonly (readonly [errno: number, name: string, text: string])[] = [
  [11, "EAGAIN", "resource temporarily unavailable"],
  [36, "ENAMETOOLONG", "name too long"],
  [42, "ENOMSG", "no message of the desired type"],
  [43, "EIDRM", "identifier removed"],
  [62, "ETIME", "timer expired"],
  [77, "EBADFD", "descriptor in a bad state"],
  [95, "EOPNOTSUPP", "operation not supported"],
  [117, "EUCLEAN", "structure needs cleaning"],
  [122, "EDQUOT", "quota exceeded"],
  [126, "ENOKEY", "required key not available"],
  [130, "EOWNERDEAD", "owner died"],
  [524, "ENOTSUPP", "operation is not supported"],
];

const errors = new Map<number, { readonly name: string; readonly text: string }>();
for (const [negative, [name, text]] of getSystemErrorMap()) errors.set(-negative, { name, text });
for (const [errno, name, text] of FURTHER_ERRORS) errors.set(errno, { name, text });

/** `EPERM` for 1; `errno 517` for a number without a name. */
export const errnoName = (errno: number): string => errors.get(errno)?.name ?? `errno ${errno}`;

/** `operation not permitted (EPERM)` */
export function errnoText(errno: number): string {
  const error = errors.get(errno);
  return error === undefined ? `errno ${errno}` : `${error.text} (${error.name})`;
}

/** A system call that the kernel refused. */
export class LinuxCallError extends VigilError<"LINUX_CALL"> {
  /** The number of the error, as in errno(3). */
  readonly errno: number;
  /** Its name: `EPERM`. */
  readonly errnoName: string;

  /** `what` says what was tried, as in `create the map \`events\``. */
  constructor(what: string, errno: number, options: { readonly hint?: string } = {}) {
    const hint = options.hint ?? hintOf(errno);
    super("LINUX_CALL", `cannot ${what}: ${errnoText(errno)}`, hint === undefined ? {} : { hint });
    this.errno = errno;
    this.errnoName = errnoName(errno);
  }
}

function hintOf(errno: number): string | undefined {
  switch (errnoName(errno)) {
    case "EPERM":
    case "EACCES":
      return "run it as root, or with the capability that it needs; `vigil kernel probe` says which is missing";
    case "ENOSYS":
      return "this kernel is too old, is built without it, or a seccomp filter hides it";
    case "EMFILE":
      return "raise the limit of open files (`ulimit -n`)";
    default:
      return undefined;
  }
}
