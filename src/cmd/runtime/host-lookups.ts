/** What the sensor looks up on a host: names of users, and containers by their cgroups. */
import { type ContainerView, HOST } from "../../falco/syscall-event.ts";
import { Accounts } from "../../identity/attestation/accounts.ts";
import { findContainer } from "../../identity/attestation/container-id.ts";
import type { SensorLookups } from "../../sensor/sensor.ts";

const SHOWN_ID_LENGTH = 12;
/** Names are looked up for each event, and files for each name: not more often than this. */
const NAMES_KEPT_MS = 10_000;

export function hostLookups(): SensorLookups {
  const accounts = new Accounts();
  const users = remembered((uid) => accounts.userName(uid) ?? null);
  const groups = remembered((gid) => accounts.groupName(gid) ?? null);
  return { userName: (uid) => users(uid), groupName: (gid) => groups(gid), container: containerAt };
}

export function containerAt(path: string): ContainerView {
  const found = findContainer({ cgroup: `0::${path}`, mountinfo: () => "", isAgentInContainer: false });
  if (found.kind !== "container") return HOST;
  const { containerId } = found.facts;
  return { ...HOST, id: containerId.slice(0, SHOWN_ID_LENGTH), fullId: containerId, name: null };
}

function remembered(lookUp: (id: number) => string | null): (id: number) => string | null {
  let names = new Map<number, string | null>();
  let untilMs = 0;
  return (id) => {
    const nowMs = Date.now();
    if (nowMs > untilMs) {
      names = new Map();
      untilMs = nowMs + NAMES_KEPT_MS;
    }
    let name = names.get(id);
    if (name === undefined) {
      name = lookUp(id);
      names.set(id, name);
    }
    return name;
  };
}
