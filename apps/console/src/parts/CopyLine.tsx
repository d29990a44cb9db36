import { CopyButton, Tooltip, UnstyledButton } from "@mantine/core";
import { Icon } from "./icons.tsx";
import classes from "./parts.module.css";

/** A command to copy. `label` names it for those who do not see the line. */
export function CopyLine({ line, label = "Copy as CLI" }: { line: string; label?: string }) {
  return (
    <span className={classes.copyLine}>
      <Icon name="terminal" size={14} />
      <code>{line}</code>
      <CopyIcon text={line} label={label} />
    </span>
  );
}

/** Several lines of a shell script to copy as one. */
export function CopyBlock({ lines, label }: { lines: string; label: string }) {
  return (
    <div className={classes.copyBlock}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a block that scrolls must be reachable by keyboard */}
      <section tabIndex={0} aria-label={label}>
        <pre>{lines}</pre>
      </section>
      <CopyIcon text={lines} label={`Copy: ${label}`} />
    </div>
  );
}

function CopyIcon({ text, label }: { text: string; label: string }) {
  return (
    <CopyButton value={text} timeout={1_500}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? "Copied" : label}>
          <UnstyledButton
            className={classes.copyIcon}
            onClick={copy}
            aria-label={copied ? "Copied" : `${label}: ${text.split("\n", 1)[0]}`}
          >
            <Icon name={copied ? "check" : "copy"} size={14} />
          </UnstyledButton>
        </Tooltip>
      )}
    </CopyButton>
  );
}
