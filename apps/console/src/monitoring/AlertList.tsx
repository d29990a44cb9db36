import type { Alert } from "@tenfold/contracts";
import { counted, localTimes } from "../format.ts";
import { AppLink } from "../parts/AppLink.tsx";
import { Empty } from "../parts/Section.tsx";
import { Badge } from "../parts/Status.tsx";
import { severityLook } from "../parts/tones.ts";
import { When } from "../parts/When.tsx";
import { pathOfSubject } from "../paths.ts";
import { Acknowledge } from "./Acknowledge.tsx";
import classes from "./monitoring.module.css";

const quiet = { word: "Resolved", icon: "check", tone: "idle" } as const;

/** Alerts, each with the four answers: why, since when, compared with what, what next. */
export function AlertList({ alerts, none }: { alerts: readonly Alert[]; none: string }) {
  if (alerts.length === 0) return <Empty title={none} />;
  return (
    <ul className={classes.alerts}>
      {alerts.map((alert) => (
        <li key={alert.id}>
          <div className={classes.head}>
            <Badge look={alert.state === "resolved" ? quiet : (severityLook[alert.severity] ?? quiet)} />
            <h3>
              <Title alert={alert} />
            </h3>
            <Acknowledge alert={alert} />
          </div>
          <dl className={classes.answers}>
            <dt>Why</dt>
            <dd>{localTimes(alert.why)}</dd>
            <dt>Since</dt>
            <dd>
              <When at={alert.since} />
              {alert.resolvedAt && (
                <>
                  , resolved <When at={alert.resolvedAt} />
                </>
              )}
            </dd>
            <dt>Compared with</dt>
            <dd>{localTimes(alert.comparedWith)}</dd>
            <dt>Next</dt>
            <dd>{localTimes(alert.next)}</dd>
          </dl>
        </li>
      ))}
    </ul>
  );
}

function Title({ alert }: { alert: Alert }) {
  const path = pathOfSubject(alert.subject);
  return (
    <>
      {path === undefined ? alert.title : <AppLink to={path}>{alert.title}</AppLink>}
      {alert.devices.length > 1 && <span className={classes.devices}> {counted(alert.devices.length, "device")}</span>}
    </>
  );
}
