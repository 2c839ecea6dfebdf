/** Stands for an object that is replaced with each SVID: a pool, a channel. */
import type { X509Svid } from "../spiffe/x509-svid.ts";
import type { ServiceIdentity } from "./service-identity.ts";

export interface Generations<T> {
  /** A new object. `retire` is called when it should get no new work although the SVID is the same. */
  create(retire: () => void): T;
  /** Lets the work of an object finish, then ends it. */
  retire(old: T): void;
}

/** Names of the methods with which users end such objects: nothing is renewed after them. */
const ENDINGS: ReadonlySet<string | symbol> = new Set(["close", "destroy"]);

/** A proxy of the object of the moment. Each use of a property looks first whether a newer one is due. */
export function renewing<T extends object>(identity: ServiceIdentity, { create, retire }: Generations<T>): T {
  let isEnded = false;
  let isRetired = false;
  let svid: X509Svid | undefined;
  const begin = (): T => {
    const mine: T = create(() => {
      if (mine === current) isRetired = true;
    });
    const held = identity.svid();
    svid = held.ok ? held.value : undefined;
    isRetired = false;
    return mine;
  };
  let current: T = begin();
  const latest = (): T => {
    const held = identity.svid();
    if (isEnded || (!isRetired && (!held.ok || held.value === svid))) return current;
    const old = current;
    current = begin();
    retire(old);
    return current;
  };
  // Of its kind and empty: the methods of the objects may be their own, and differ.
  const kind: T = Object.create(Object.getPrototypeOf(current));
  return new Proxy(kind, {
    get: (_, key) => {
      const target = latest();
      if (ENDINGS.has(key)) isEnded = true;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
