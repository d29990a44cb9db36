import { type ReactNode, useEffect } from "react";
import { CopyLine } from "../parts/CopyLine.tsx";
import classes from "./shell.module.css";

type Props = {
  title: ReactNode;
  /** The title as plain text, for the browser's tab, where `title` is more than text. */
  name: string;
  /** What stands above the title: where one is. */
  above?: ReactNode;
  /** The page in a sentence. */
  lead?: ReactNode;
  actions?: ReactNode;
  /** The command line that does the same. */
  cli: string;
  children: ReactNode;
};

/** A page: one h1, a sentence, actions, and the command line that does the same. */
export function Page({ title, name, above, lead, actions, cli, children }: Props) {
  useEffect(() => {
    document.title = `${name} · Tenfold`;
  }, [name]);
  return (
    <>
      <header className={classes.pageHead}>
        <div className={classes.pageWords}>
          {above}
          <h1>{title}</h1>
          {lead && <div className={classes.lead}>{lead}</div>}
        </div>
        <div className={classes.pageTools}>
          {actions && <div className={classes.actions}>{actions}</div>}
          <CopyLine line={cli} />
        </div>
      </header>
      <div className={classes.pageBody}>{children}</div>
    </>
  );
}
