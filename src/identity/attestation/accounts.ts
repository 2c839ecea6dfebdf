/** Names of users and groups, from /etc/passwd and /etc/group. Directory services (LDAP, SSSD) are not asked: their users match by number. */
import { readFileSync, statSync } from "node:fs";
import { type FileFacts, factsOf, isUnchanged } from "../../linux/process-handle.ts";

const MAX_BYTES = 16 * 1024 * 1024;

export class Accounts {
  readonly #users: AccountFile;
  readonly #groups: AccountFile;

  constructor(directory = "/etc") {
    this.#users = new AccountFile(`${directory}/passwd`);
    this.#groups = new AccountFile(`${directory}/group`);
  }

  userName(uid: number): string | undefined {
    return this.#users.nameOf(uid);
  }

  groupName(gid: number): string | undefined {
    return this.#groups.nameOf(gid);
  }
}

/** Lines `name:password:number:…`; read again when the file has changed. */
class AccountFile {
  readonly #path: string;
  #facts: FileFacts | undefined;
  #names: ReadonlyMap<number, string> = new Map();

  constructor(path: string) {
    this.#path = path;
  }

  nameOf(id: number): string | undefined {
    this.#refresh();
    return this.#names.get(id);
  }

  #refresh(): void {
    let facts: FileFacts;
    try {
      facts = factsOf(this.#path);
    } catch {
      this.#facts = undefined; // Without the file, names are unknown; numbers still match.
      this.#names = new Map();
      return;
    }
    if (this.#facts !== undefined && isUnchanged(this.#facts, facts)) return;
    if (statSync(this.#path).size > MAX_BYTES) throw new RangeError(`${this.#path} holds more than ${MAX_BYTES} bytes`);
    const names = new Map<number, string>();
    for (const line of readFileSync(this.#path, "utf8").split("\n")) {
      const [name = "", , id = ""] = line.split(":");
      // As getpwuid(3), the first line of a number wins.
      if (name !== "" && /^\d+$/.test(id) && !names.has(Number(id))) names.set(Number(id), name);
    }
    this.#facts = facts;
    this.#names = names;
  }
}
