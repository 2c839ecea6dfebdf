/** What seccomp(2) needs beside filters: the listener of another process, notifications and answers. */
import { CODE_ADDRESS } from "./launcher/launcher-image.ts";
import { LinuxCallError } from "./linux-error.ts";
import { closeDescriptor, syscall, watchReadable } from "./native.ts";

/** A call that waits for an answer. */
export interface Notification {
  readonly id: bigint;
  /** The thread that calls. */
  readonly thread: number;
  readonly number: number;
  readonly args: readonly bigint[];
  /** The launcher's own call, before the program. */
  readonly isOfLauncher: boolean;
}

/** The call goes on as if there was no filter, or fails with an errno. */
export type NotificationAnswer = { readonly kind: "continue" } | { readonly kind: "errno"; readonly errno: number };

/** ioctl requests and sizes of include/uapi/linux/seccomp.h. */
const RECEIVE = 0xc050_2100;
const SEND = 0xc018_2101;
const NOTIFICATION_BYTES = 80;
const ANSWER_BYTES = 24;
const CONTINUE = 1;
const ENOENT = 2;
const EBADF = 9;
const ESRCH = 3;
const LAUNCHER_BYTES = 0x1000n;

/** A copy of descriptor `descriptor` of another process, which the caller closes; or that it has none, or is gone. Throws `LINUX_CALL`. */
export function takeDescriptor(pid: number, descriptor: number): number | "absent" | "gone" {
  const handle = syscall("pidfd_open", pid, 0);
  if (handle.errno === ESRCH) return "gone";
  if (handle.value === -1) throw new LinuxCallError(`open process ${pid}`, handle.errno);
  try {
    const { value, errno } = syscall("pidfd_getfd", handle.value, descriptor, 0);
    if (value >= 0) return value;
    if (errno === EBADF) return "absent";
    if (errno === ESRCH) return "gone";
    throw new LinuxCallError(`take the seccomp listener of process ${pid}`, errno, {
      hint: "Yama's ptrace_scope, or a process that is not dumpable, keeps it from its own supervisor; run Vigil as root",
    });
  } finally {
    closeDescriptor(handle.value);
  }
}

/** Answers the calls that a filter sends to its listener, from the event loop. Ends by itself with the last process under the filter. */
export class NotificationServer implements Disposable {
  readonly #listener: number;
  readonly #answer: (notification: Notification) => NotificationAnswer;
  readonly #watch: Disposable;
  #isClosed = false;
  readonly #request: Uint8Array = new Uint8Array(NOTIFICATION_BYTES);
  readonly #view: DataView = new DataView(this.#request.buffer);
  readonly #response: Uint8Array = new Uint8Array(ANSWER_BYTES);
  readonly #responseView: DataView = new DataView(this.#response.buffer);

  /** Takes the listener over. */
  constructor(listener: number, answer: (notification: Notification) => NotificationAnswer) {
    this.#listener = listener;
    this.#answer = answer;
    this.#watch = watchReadable(listener, (hasFailed) => {
      if (hasFailed) this[Symbol.dispose]();
      else this.#serve();
    });
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#watch[Symbol.dispose]();
    closeDescriptor(this.#listener);
  }

  #serve(): void {
    // As long as calls come in at once, without a turn of the event loop between; other work gets its turn, too.
    for (let served = 0; served < MAX_AT_ONCE && !this.#isClosed; served++) {
      if (!isReadable(this.#listener)) return;
      this.#serveOne();
    }
  }

  #serveOne(): void {
    this.#request.fill(0);
    const { value, errno } = syscall("ioctl", this.#listener, RECEIVE, this.#request);
    // ENOENT: the caller died or was interrupted meanwhile.
    if (value === -1) {
      if (errno !== ENOENT && errno !== EINTR) this[Symbol.dispose]();
      return;
    }
    const notification = this.#read();
    const answer = this.#answer(notification);
    this.#responseView.setBigUint64(0, notification.id, true);
    this.#responseView.setBigInt64(8, 0n, true);
    this.#responseView.setInt32(16, answer.kind === "errno" ? -answer.errno : 0, true);
    this.#responseView.setUint32(20, answer.kind === "continue" ? CONTINUE : 0, true);
    const sent = syscall("ioctl", this.#listener, SEND, this.#response);
    // Without a listener the calls that it would decide fail with ENOSYS: nothing passes that was not let through.
    if (sent.value === -1 && sent.errno !== ENOENT && sent.errno !== ESRCH) this[Symbol.dispose]();
  }

  /** `struct seccomp_notif`: id, pid, flags, then seccomp_data: nr, arch, instruction pointer, args. */
  #read(): Notification {
    const view = this.#view;
    const pointer = view.getBigUint64(24, true);
    return {
      id: view.getBigUint64(0, true),
      thread: view.getUint32(8, true),
      number: view.getInt32(16, true),
      args: Array.from({ length: 6 }, (_, index) => view.getBigUint64(32 + 8 * index, true)),
      isOfLauncher: pointer >= CODE_ADDRESS && pointer < CODE_ADDRESS + LAUNCHER_BYTES,
    };
  }
}

const EINTR = 4;
const MAX_AT_ONCE = 256;
const POLLIN = 1;
const POLLHUP = 0x10;

/** poll(2) without waiting. A listener without processes hangs up. */
function isReadable(descriptor: number): boolean {
  const request = new Uint8Array(8);
  const view = new DataView(request.buffer);
  view.setInt32(0, descriptor, true);
  view.setInt16(4, POLLIN, true);
  const timeout = new Uint8Array(16);
  const { value } = syscall("ppoll", request, 1, timeout, null, 0);
  return value > 0 && (view.getInt16(6, true) & POLLIN) !== 0 && (view.getInt16(6, true) & POLLHUP) === 0;
}
