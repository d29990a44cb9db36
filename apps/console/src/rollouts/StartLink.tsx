import { Button, Tooltip } from "@mantine/core";
import { api } from "@tenfold/contracts";
import { useMay } from "../access/session.ts";
import { Icon } from "../parts/icons.tsx";
import { useGo } from "../parts/search.ts";
import { paths } from "../paths.ts";

/** The way to the form of a new rollout, or the reason why this person has none. */
export function StartLink({ release, word = "New rollout" }: { release?: string; word?: string }) {
  const allowed = useMay(api.startRollout);
  const go = useGo();
  const path = paths.newRollout(release === undefined ? {} : { release });
  if (!allowed.allowed) {
    return (
      <Tooltip label={allowed.because}>
        <Button
          size="xs"
          data-disabled
          aria-disabled
          aria-label={`${word} (not available: ${allowed.because})`}
          leftSection={<Icon name="plus" size={14} />}
        >
          {word}
        </Button>
      </Tooltip>
    );
  }
  return (
    <Button
      component="a"
      href={path}
      size="xs"
      variant={release === undefined ? "filled" : "default"}
      leftSection={<Icon name="plus" size={14} />}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        go(path);
      }}
    >
      {word}
    </Button>
  );
}
