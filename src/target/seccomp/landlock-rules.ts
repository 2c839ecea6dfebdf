/** Profiles as Landlock rules (landlock(7)): which files and TCP ports may be used, enforced for root, too. */
import type { NetworkUse, PathAccess, PathUse, Profile } from "./profile.ts";

/** Access rights of include/uapi/linux/landlock.h, by the ABI that brought them. */
export const LANDLOCK_ACCESS = {
  execute: 0x1n,
  writeFile: 0x2n,
  readFile: 0x4n,
  readDirectory: 0x8n,
  removeDirectory: 0x10n,
  removeFile: 0x20n,
  makeCharacterDevice: 0x40n,
  makeDirectory: 0x80n,
  makeRegular: 0x100n,
  makeSocket: 0x200n,
  makeFifo: 0x400n,
  makeBlockDevice: 0x800n,
  makeSymlink: 0x1000n,
  /** ABI 2. */
  refer: 0x2000n,
  /** ABI 3. */
  truncate: 0x4000n,
  /** ABI 5. */
  ioctlDevice: 0x8000n,
} as const;

/** ABI 4. */
export const LANDLOCK_BIND = 1n;
export const LANDLOCK_CONNECT = 2n;
/** ABI 6: abstract unix sockets and signals stay within the domain. */
export const LANDLOCK_SCOPES = 3n;

const A = LANDLOCK_ACCESS;
const READ = A.readFile | A.readDirectory;
const CREATE =
  A.removeDirectory | A.removeFile | A.makeDirectory | A.makeRegular | A.makeSocket | A.makeFifo | A.makeSymlink | A.refer | A.truncate;

const FILE_RIGHTS = A.execute | A.writeFile | A.readFile | A.truncate | A.ioctlDevice;

const RIGHTS: { readonly [P in PathAccess]: bigint } = {
  read: READ,
  write: A.writeFile | A.truncate | A.ioctlDevice,
  create: CREATE | A.writeFile,
  execute: A.execute | A.readFile,
  map: A.execute | A.readFile,
};

export interface LandlockPathRule {
  readonly path: string;
  readonly rights: bigint;
}

export interface LandlockPortRule {
  readonly port: number;
  readonly rights: bigint;
}

export interface LandlockRules {
  readonly paths: readonly LandlockPathRule[];
  /** Undefined leaves TCP as it is. */
  readonly ports: readonly LandlockPortRule[] | undefined;
}

/** What an ABI can handle; rights that it does not know are not asked, which the caller reports. */
export interface LandlockHandled {
  readonly files: bigint;
  readonly network: bigint;
  readonly scopes: bigint;
}

const ABI_RIGHTS: readonly (readonly [abi: number, rights: bigint])[] = [
  [1, (1n << 13n) - 1n],
  [2, A.refer],
  [3, A.truncate],
  [5, A.ioctlDevice],
];

/** What a kernel of this Landlock ABI (1 to 7 and later) can be asked to restrict. */
export const landlockHandled = (abi: number): LandlockHandled => ({
  files: ABI_RIGHTS.filter(([since]) => since <= abi).reduce((sum, [, rights]) => sum | rights, 0n),
  network: abi >= 4 ? LANDLOCK_BIND | LANDLOCK_CONNECT : 0n,
  scopes: abi >= 6 ? LANDLOCK_SCOPES : 0n,
});

/** The rights of a path by its uses. A file takes only the rights that files have: the kernel refuses others. */
export const pathRights = ({ access, isDirectory }: Pick<PathUse, "access" | "isDirectory">): bigint => {
  const rights = access.reduce((sum, each) => sum | RIGHTS[each], 0n);
  return isDirectory ? rights : rights & FILE_RIGHTS;
};

/** The rules of a profile; a program that used no TCP may use none. */
export function landlockRules(profile: Pick<Profile, "paths" | "network">): LandlockRules {
  return { paths: profile.paths.map((use) => ({ path: use.path, rights: pathRights(use) })), ports: portRules(profile.network) };
}

function portRules({ connect, bind }: NetworkUse): readonly LandlockPortRule[] {
  const rights = new Map<number, bigint>();
  for (const port of bind) rights.set(port, LANDLOCK_BIND);
  for (const port of connect) rights.set(port, (rights.get(port) ?? 0n) | LANDLOCK_CONNECT);
  return [...rights].sort(([a], [b]) => a - b).map(([port, allowed]) => ({ port, rights: allowed }));
}
