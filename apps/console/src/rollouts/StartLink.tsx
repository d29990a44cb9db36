import { Button, Tooltip } from "@mantine/core";
import { api } from "@tenfold/contracts";
import { useMay } from "../access/session.ts";
import { Icon } from "../parts/icons.tsx";
import { useGo } from "../parts/search.ts";
import { paths } from "../paths.ts";

/** The way to the form of a new rollout, or the reason why this person has none. */
export function StartLink({ release, again, word = "New rollout" }: { release?: string; again?: string; word?: string }) {
  const allowed = useMay(api.startRollout);
  const go = useGo();
  const path = paths.newRollout({ ...(release === undefined ? {} : { release }), ...(again === undefined ? {} : { again }) });
  const plain = release === undefined && again === undefined;
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
      variant={plain ? "filled" : "default"}
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
