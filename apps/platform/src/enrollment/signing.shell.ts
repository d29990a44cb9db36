import { describeError, newId, seconds } from "@tenfold/base";
import { type Authority, type Certificate, type KeyStore, readCertificate, readToBeSigned, type Signer } from "@tenfold/pki";
import { sql } from "kysely";
import { type Bus, type Database, type Log, type Loop, startLoop } from "../kernel/index.ts";
import { enrollmentProblems } from "./errors.ts";
import { refusalToSign, type SigningPolicy } from "./may-sign.ts";

/**
 * The authority's keys live with one process, and others ask it: what is to be signed goes through a table of the shared database, because it
 * may be long and because who may write there is decided already. The bus only wakes.
 */
const asked = "enrollment.signing_asked";
const answered = "enrollment.signing_answered";
const waitMs = seconds(10);
const lookMs = 500;
const keepAnswersMs = seconds(60);
const atOnce = 20;

export type SigningDeps = { db: Database; bus: Bus; log: Log };

/** Keys that another process keeps, by the certificates that the database has of them. Nothing can be made or removed here. */
export function askingKeyStore(deps: SigningDeps): KeyStore {
  const elsewhere = (what: string) => (name: string) =>
    Promise.reject(
      enrollmentProblems.authority_elsewhere(
        `The key ${name} cannot be ${what} here: the authority's keys live with another process.`,
        {
          fix: "Do it on the process that keeps them (TENFOLD_AUTHORITY=keep).",
        },
      ),
    );
  return {
    async open(name) {
      const certificate = await certificateOfKey(deps.db, name);
      return certificate && remoteSigner(deps, name, certificate);
    },
    create: elsewhere("made"),
    remove: elsewhere("removed"),
    async [Symbol.asyncDispose]() {},
  };
}

async function certificateOfKey(db: Database, name: string): Promise<Certificate | undefined> {
  const { rows } = await sql<{ certificate: Buffer }>`
    select certificate from identity.own_authority where name = ${name} and name = 'issuing'
    union all select certificate from identity.authority where key_name = ${name} and role = 'issuing'`.execute(db);
  return rows[0] && readCertificate(rows[0].certificate);
}

function remoteSigner({ db, bus }: SigningDeps, keyName: string, { publicKey, signed }: Certificate): Signer {
  // Our authorities' keys are all of one kind, so that the issuing CA's own certificate shows how it signs.
  return {
    publicKey,
    algorithm: signed.algorithm,
    async sign(bytes) {
      const id = newId("sig");
      const mine = Promise.withResolvers<void>();
      const leave = bus.onHint(answered, (body) => body === id && mine.resolve());
      try {
        await sql`insert into identity.signing (id, key_name, content) values (${id}, ${keyName}, ${bytes})`.execute(db);
        bus.hint(asked, id);
        return await answerTo(db, id, mine.promise);
      } finally {
        leave();
        await sql`delete from identity.signing where id = ${id}`.execute(db);
      }
    },
  };
}

async function answerTo(db: Database, id: string, hint: Promise<void>): Promise<Buffer> {
  for (const until = performance.now() + waitMs; performance.now() < until; ) {
    await Promise.race([hint, new Promise((resolve) => setTimeout(resolve, lookMs))]);
    const { rows } = await sql<{ signature: Buffer | null; refused: string | null }>`
      select signature, refused from identity.signing where id = ${id}`.execute(db);
    const [row] = rows;
    if (row?.signature) return row.signature;
    if (row?.refused)
      throw enrollmentProblems.authority_refused(
        `The process that keeps the authority's keys does not sign this: ${row.refused}.`,
        {
          fix: "Set TENFOLD_DEVICE_HOSTNAMES and TENFOLD_CERTIFICATE_LIFETIME alike on all processes.",
        },
      );
    // Heard, and yet not there: what is left of the time is for looking.
    hint = new Promise(() => {});
  }
  throw enrollmentProblems.authority_silent("The process that keeps the authority's keys does not answer.", {
    fix: "Start one with the role api and the pki/ folder.",
    retryAfterS: 5,
  });
}

export type SigningService = { stop(): Promise<void> };
type ServiceDeps = SigningDeps & { authorities: () => readonly Authority[]; policy: SigningPolicy };

/** Answers what others ask to have signed, as far as the policy goes. Several may run where they hold the same keys. */
export function startSigning({ db, bus, log, authorities, policy }: ServiceDeps): SigningService {
  const answerSome = async (): Promise<number> => {
    const done = await db.transaction().execute(async (tx) => {
      const { rows } = await sql<{ id: string; key_name: string; content: Buffer; key: Buffer | null }>`
        select s.id, s.key_name, s.content,
          coalesce((select certificate from identity.own_authority o where o.name = s.key_name),
            (select certificate from identity.authority a where a.key_name = s.key_name and a.role = 'issuing')) as key
        from identity.signing s where signature is null and refused is null
        order by asked_at limit ${atOnce} for update of s skip locked`.execute(tx);
      for (const row of rows) {
        const answer = await sign(row, { authorities: authorities(), policy });
        if (answer.is === "refused") log.error("enrollment.signing_refused", { key: row.key_name, because: answer.because });
        await sql`update identity.signing set signature = ${answer.is === "signed" ? answer.signature : null},
          refused = ${answer.is === "refused" ? answer.because : null} where id = ${row.id}`.execute(tx);
      }
      return rows.map(({ id }) => id);
    });
    for (const id of done) bus.hint(answered, id);
    return done.length;
  };
  const loop: Loop = startLoop({
    name: "signing",
    everyMs: seconds(2),
    log,
    async run() {
      while ((await answerSome()) === atOnce);
      // Who asked and died does not take its answer away.
      await sql`delete from identity.signing where asked_at < now() - make_interval(secs => ${keepAnswersMs / 1_000})`.execute(db);
    },
  });
  const leave = bus.onHint(asked, () => loop.wake());
  return {
    async stop() {
      leave();
      await loop.stop();
    },
  };
}

type Answer = { is: "signed"; signature: Buffer } | { is: "refused"; because: string };
type Asked = { key: Buffer | null; key_name: string; content: Buffer };

async function sign(
  { key, content }: Asked,
  { authorities, policy }: Pick<ServiceDeps, "policy"> & { authorities: readonly Authority[] },
): Promise<Answer> {
  const authority = key === null ? undefined : authorities.find(({ certificate }) => certificate.der.equals(key));
  if (authority === undefined) return { is: "refused", because: "it names no key that is in use here" };
  try {
    const because = refusalToSign(readToBeSigned(content), authority, policy);
    return because === undefined ? { is: "signed", signature: await authority.signer.sign(content) } : { is: "refused", because };
  } catch (error) {
    return { is: "refused", because: describeError(error) };
  }
}

/** Tells the other processes, by the database, which authority is the installation's. Throws `authority_elsewhere` where that is another one. */
export async function publishAuthority(
  db: Database,
  { root, issuing }: { root: Certificate; issuing: Certificate },
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    const { rows } = await sql<{ name: string; certificate: Buffer }>`
      insert into identity.own_authority (name, certificate) values ('root', ${root.der}), ('issuing', ${issuing.der})
      on conflict (name) do update set name = excluded.name returning name, certificate`.execute(tx);
    const other = rows.find(({ name, certificate }) => !certificate.equals(name === "root" ? root.der : issuing.der));
    if (other === undefined) return;
    throw enrollmentProblems.authority_elsewhere(
      "The database belongs to another authority than the one in this data folder: devices would believe one of the two.",
      {
        fix: "Bring the pki/ folder of the first server here, or set TENFOLD_AUTHORITY=ask so that this process asks the one that has it.",
      },
    );
  });
}

/** The installation's first authority as the database tells it; undefined before a process with the keys has started. */
export async function readAuthority(db: Database): Promise<{ root: Buffer; issuing: Buffer } | undefined> {
  const { rows } = await sql<{ name: string; certificate: Buffer }>`select name, certificate from identity.own_authority`.execute(
    db,
  );
  const find = (name: string) => rows.find((row) => row.name === name)?.certificate;
  const [root, issuing] = [find("root"), find("issuing")];
  return root && issuing && { root, issuing };
}
