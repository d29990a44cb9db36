import { pino } from "pino";

export type LogFields = Record<string, unknown>;

/** Events, not prose: `log.warn("link.refused", { device, because: "certificate_expired" })`. Never a key, a token or a payload. */
export type Log = {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  child(fields: LogFields): Log;
};

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/** One JSON object a line on stderr, or to `write`. Fields whose names promise a secret are blanked, whatever they hold. */
export function createLog({ level, write }: { level: LogLevel; write?: (line: string) => void }): Log {
  const redact = {
    paths: [
      "token",
      "*.token",
      "key",
      "*.key",
      "password",
      "*.password",
      "enrollmentCode",
      "*.enrollmentCode",
      "authorization",
      "*.authorization",
      "cookie",
    ],
    censor: "[redacted]",
  };
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return wrap(pino(options, write ? { write } : pino.destination({ fd: 2, sync: false })));
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silentLog };

function wrap(logger: pino.Logger): Log {
  return {
    debug: (event, fields) => logger.debug({ event, ...fields }),
    info: (event, fields) => logger.info({ event, ...fields }),
    warn: (event, fields) => logger.warn({ event, ...fields }),
    error: (event, fields) => logger.error({ event, ...fields }),
    child: (fields) => wrap(logger.child(fields)),
  };
}
