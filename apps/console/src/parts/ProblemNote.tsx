import { Button } from "@mantine/core";
import { Problem } from "@tenfold/base";
import { Icon } from "./icons.tsx";
import classes from "./parts.module.css";

/** What went wrong and what to do about it, in the server's own words. */
export function ProblemNote({ error, retry }: { error: Error; retry?: () => void }) {
  const problem = error instanceof Problem ? error : undefined;
  return (
    <div role="alert" className={classes.problem}>
      <Icon name="halted" size={18} />
      <div>
        <strong>{error.message}</strong>
        {problem?.fix && <p>{problem.fix}</p>}
        <p className={classes.problemCode}>
          {problem ? <code>{problem.code}</code> : "The console itself failed; reloading the page may help."}
        </p>
      </div>
      {retry && (
        <Button variant="default" size="xs" onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  );
}
