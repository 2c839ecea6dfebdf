/**
 * A program under a filter whose listener is ours: every call that the filter does not let through is answered here. The program runs in the
 * caller's own namespaces and with the caller's own rights; only the filter is between it and the kernel.
 */

import { architecture } from "../linux/native.ts";
import { type Notification, type NotificationAnswer, NotificationServer } from "../linux/seccomp.ts";
import { type Architecture, type SyscallName, syscallName } from "../linux/syscall-numbers.ts";
import { encodeFilter, type FilterInstruction } from "../target/seccomp/filter-instruction.ts";
import { type ConfinedProgram, DEFAULT_PATH, environmentLines, findProgram } from "./confined-launch.ts";
import { type Launched, type LaunchOptions, launch } from "./launch.ts";
import type { LaunchPlan } from "./launch-plan.ts";

/** A call that the filter sent to its listener. The name is undefined for a number that Vigil does not know. */
export interface ObservedCall {
  readonly name: SyscallName | undefined;
  readonly number: number;
  readonly args: readonly bigint[];
  /** The thread that makes it, and that waits meanwhile. */
  readonly thread: number;
}

export type AnswerCall = (call: ObservedCall) => NotificationAnswer;

/** How a program is started that is only to be watched. */
export function watchedPlan(program: ConfinedProgram, filter: readonly FilterInstruction[] | undefined, isRoot: boolean): LaunchPlan {
  return {
    program: {
      path: findProgram(program.command, program.environment["PATH"] ?? DEFAULT_PATH, program.directory),
      argv: [program.command, ...program.args],
      environment: environmentLines(program.environment),
      directory: program.directory,
    },
    isolation: undefined,
    identity: undefined,
    capabilities: undefined,
    // The kernel wants it of whoever may not administer the system: a filter could deceive a set-user-ID program.
    noNewPrivileges: filter !== undefined && !isRoot,
    limits: [],
    landlock: undefined,
    filter: filter === undefined ? undefined : { program: encodeFilter(filter), isListening: true },
  };
}

/** Starts a program under a filter with answers from here. */
export async function launchObserved(
  program: ConfinedProgram,
  options: Omit<LaunchOptions, "onListener"> & {
    readonly filter: readonly FilterInstruction[];
    readonly answer: AnswerCall;
    readonly isRoot: boolean;
  },
): Promise<Launched> {
  const own = architecture();
  let server: NotificationServer | undefined;
  const launched = await launch(watchedPlan(program, options.filter, options.isRoot), {
    ...options,
    onListener: (listener) => {
      server = new NotificationServer(listener, (notification) => answerOf(notification, own, options.answer));
    },
  });
  const stop = (): void => server?.[Symbol.dispose]();
  launched.ended.then(stop, stop);
  return launched;
}

function answerOf(notification: Notification, own: Architecture, answer: AnswerCall): NotificationAnswer {
  // What the launcher does between its filter and the program is no call of the program.
  if (notification.isOfLauncher) return { kind: "continue" };
  const { number, args, thread } = notification;
  return answer({ name: syscallName(number, own), number, args, thread });
}
