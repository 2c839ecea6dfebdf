/** The end of a process, told when it happens (pidfd_open(2)). */
import { VigilError } from "../lib/error.ts";
import { LinuxCallError } from "./linux-error.ts";
import { closeDescriptor, syscall, watchReadable } from "./native.ts";
import type { ProcessErrorCode, ProcessHandle } from "./process-handle.ts";

const EINVAL = 22;
const ENOENT = 2;
const ESRCH = 3;

/**
 * Calls `onEnd` once when the process has ended, unless it is disposed before. Does not keep this process alive. Throws
 * `LINUX_PROCESS_GONE` when it has ended already, or when the number is that of a thread.
 */
export function watchProcessEnd(process: ProcessHandle, onEnd: () => void): Disposable {
  const { pid } = process;
  const { value: descriptor, errno } = syscall("pidfd_open", pid, 0);
  if (errno === ESRCH || errno === EINVAL || errno === ENOENT) throw gone(pid);
  if (errno !== 0) throw new LinuxCallError(`watch process ${pid}`, errno);
  // It is that of the handle exactly if that one is still there after the number was looked up.
  if (!process.isAlive()) {
    closeDescriptor(descriptor);
    throw gone(pid);
  }
  const watch = watchReadable(descriptor, () => {
    end();
    onEnd();
  });
  watch.unref();
  let isEnded = false;
  const end = (): void => {
    if (isEnded) return;
    isEnded = true;
    watch[Symbol.dispose]();
    closeDescriptor(descriptor);
  };
  return { [Symbol.dispose]: end };
}

const gone = (pid: number): VigilError<ProcessErrorCode> => new VigilError("LINUX_PROCESS_GONE", `process ${pid} has ended`);
