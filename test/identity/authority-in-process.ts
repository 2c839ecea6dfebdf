/** An authority in this process: keys and journal in memory unless told otherwise, and a clock that tests can set. */
import { randomBytes } from "node:crypto";
import { Authority, type FederatedBundles } from "../../src/identity/authority/authority.ts";
import { type AuthorityNews, AuthoritySet, type AuthoritySetOptions } from "../../src/identity/authority/authority-set.ts";
import type { Entry } from "../../src/identity/authority/entry.ts";
import type { JournalStorage } from "../../src/identity/authority/journal.ts";
import { MemoryKeyStore } from "../../src/identity/authority/memory-key-store.ts";
import { compileRegistrations, type Registrations } from "../../src/identity/authority/registrations.ts";
import { memoryStorage, StoredJournal } from "../../src/identity/authority/stored-journal.ts";
import type { IssuanceNews } from "../../src/identity/authority/svid-issuer.ts";
import { readDocuments } from "../../src/resource/document.ts";
import { parseTrustDomain, type TrustDomain } from "../../src/spiffe/spiffe-id.ts";

export const MINUTE_MS = 60_000;
export const HOUR_MS: number = 60 * MINUTE_MS;
export const DAY_MS: number = 24 * HOUR_MS;

export function trustDomainOf(name: string): TrustDomain {
  const domain = parseTrustDomain(name);
  if (!domain.ok) throw domain.error;
  return domain.value;
}

/** A clock that stands still until it is moved. */
export class TestClock {
  nowMs: number;
  constructor(nowMs: number = Date.UTC(2026, 10, 28)) {
    this.nowMs = nowMs;
  }
  readonly read = (): number => this.nowMs;
}

export interface TestAuthorityOptions extends Partial<Omit<AuthoritySetOptions, "trustDomain" | "journal">> {
  readonly trustDomain?: string;
  readonly storage?: JournalStorage;
  /** Resources, YAML. */
  readonly resources?: string;
  readonly builtIn?: readonly Entry[];
  readonly federated?: FederatedBundles;
}

export interface TestAuthority {
  readonly authority: Authority;
  readonly journal: StoredJournal;
  readonly clock: TestClock;
  readonly news: readonly AuthorityNews[];
  readonly issued: readonly IssuanceNews[];
  /** Puts other resources into force. */
  register(resources: string): void;
}

const NOBODY: FederatedBundles = { all: () => new Map(), onChange: () => () => undefined };

export function registrationsOf(yaml: string, trustDomain: TrustDomain, builtIn: readonly Entry[] = []): Registrations {
  const { documents, diagnostics: unread } = readDocuments(yaml, "registrations.yaml");
  const { registrations, diagnostics } = compileRegistrations(documents, { trustDomain, builtIn });
  const problems = [...unread, ...diagnostics];
  if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join("; "));
  return registrations;
}

export async function testAuthority(options: TestAuthorityOptions = {}): Promise<TestAuthority> {
  const {
    trustDomain: name = "example.org",
    storage = memoryStorage(),
    resources = "",
    builtIn = [],
    federated = NOBODY,
    ...rest
  } = options;
  const trustDomain = trustDomainOf(name);
  const clock = new TestClock();
  const keyStore = options.keyStore ?? new MemoryKeyStore();
  const nowMs = options.nowMs ?? clock.read;
  const random = options.random ?? ((bytes: number): Uint8Array => randomBytes(bytes));
  const news: AuthorityNews[] = [];
  const issued: IssuanceNews[] = [];
  const journal = await StoredJournal.open(storage, trustDomain, keyStore);
  const authorities = await AuthoritySet.open({
    trustDomain,
    journal,
    keyStore,
    upstream: undefined,
    lifetimeOf: () => ({ keyType: "ec-p256", ttlMs: 30 * DAY_MS }),
    refreshHintMs: () => 5 * MINUTE_MS,
    nowMs,
    random,
    onNews: (item) => news.push(item),
    ...rest,
  });
  const registrations = registrationsOf(resources, trustDomain, builtIn);
  const onIssuance = (item: IssuanceNews): void => void issued.push(item);
  const authority = new Authority({ trustDomain, journal, authorities, federated, registrations, nowMs, random, onIssuance });
  const register = (yaml: string): void => authority.register(registrationsOf(yaml, trustDomain, builtIn));
  return { authority, journal, clock, news, issued, register };
}

/** The document of a workload. */
export const workloadYaml = (name: string, spec: string): string =>
  `---\napiVersion: vigil.dev/v1alpha1\nkind: Workload\nmetadata: {name: ${name}}\nspec: ${spec}\n`;

/** The document of the trust domain `example.org`. */
export const trustDomainYaml = (spec: string): string =>
  `---\napiVersion: vigil.dev/v1alpha1\nkind: TrustDomain\nmetadata: {name: example.org}\nspec: ${spec}\n`;
