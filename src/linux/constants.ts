/** Numbers of the kernel's interface that have no name in Node.js, the same on x86-64 and arm64 (headers of include/uapi/linux). */

/** sched.h */
export const CLONE = {
  newNamespace: 0x0002_0000,
  newCgroup: 0x0200_0000,
  newUts: 0x0400_0000,
  newIpc: 0x0800_0000,
  newUser: 0x1000_0000,
  newPid: 0x2000_0000,
  newNet: 0x4000_0000,
} as const;

/** mount.h: the flags of mount(2), and those of mount_setattr(2). */
export const MOUNT = { nosuid: 0x2, nodev: 0x4, noexec: 0x8, recursive: 0x4000, private: 0x4_0000 } as const;
export const MOUNT_ATTRIBUTE = { readOnly: 0x1, nosuid: 0x2, nodev: 0x4, noexec: 0x8 } as const;
export const MOVE_MOUNT_FROM_DESCRIPTOR = 0x4;
export const OPEN_TREE_CLONE = 0x1;

/** fcntl.h */
export const AT = { here: -100, noFollow: 0x100, emptyPath: 0x1000, recursive: 0x8000 } as const;
export const OPEN = { path: 0x20_0000, closeOnExec: 0x8_0000 } as const;
export const SET_DESCRIPTOR_FLAGS = 2;
export const CLOSE_ON_EXEC = 1;

/** prctl.h, securebits.h */
export const PRCTL = {
  parentDeathSignal: 1,
  dumpable: 4,
  dropBounding: 24,
  secureBits: 28,
  noNewPrivileges: 38,
  ambient: 47,
} as const;
export const AMBIENT_RAISE = 2;
export const AMBIENT_CLEAR_ALL = 4;
/** NOROOT, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE; each with its lock beside it. */
export const SECURE_BITS = { noRoot: 0x3, noSetuidFixup: 0xc, noAmbientRaise: 0xc0 } as const;
export const CAPABILITY_VERSION = 0x2008_0522;

/** seccomp.h */
export const SECCOMP = { setFilter: 1, newListener: 0x8, waitKillable: 0x20 } as const;

/** signal.h */
export const SIGNAL = { interrupt: 2, quit: 3, kill: 9, child: 17, stop: 20 } as const;
export const SIG_SETMASK = 2;
export const WNOHANG = 1;
