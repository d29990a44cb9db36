import { Button, Tooltip } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type Alert, api } from "@tenfold/contracts";
import { useMay } from "../access/session.ts";
import { When } from "../parts/When.tsx";
import { client } from "../queries.ts";
import classes from "./monitoring.module.css";

/** Says who looks after an alert, or lets one say "I do". */
export function Acknowledge({ alert }: { alert: Alert }) {
  const queries = useQueryClient();
  const allowed = useMay(api.acknowledgeAlert);
  const acknowledge = useMutation({
    mutationFn: () => client.call(api.acknowledgeAlert, { params: { id: alert.id } }),
    onSuccess: () => queries.invalidateQueries({ queryKey: [api.listAlerts.name] }),
  });
  if (alert.acknowledgedAt) {
    return (
      <span className={classes.acknowledged}>
        Acknowledged{alert.acknowledgedBy && ` by ${alert.acknowledgedBy}`} <When at={alert.acknowledgedAt} />
      </span>
    );
  }
  if (alert.state === "resolved") return null;
  const refusal = acknowledge.error?.message ?? (allowed.allowed ? undefined : allowed.because);
  return (
    <Tooltip label={refusal ?? "Says to everybody that you look after it"}>
      <Button
        size="xs"
        variant="default"
        loading={acknowledge.isPending}
        {...(allowed.allowed ? {} : { "data-disabled": true, "aria-disabled": true })}
        aria-label={`Acknowledge: ${alert.title}${refusal ? ` (not available: ${refusal})` : ""}`}
        onClick={() => allowed.allowed && acknowledge.mutate()}
      >
        Acknowledge
      </Button>
    </Tooltip>
  );
}
