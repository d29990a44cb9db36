import { type ReactNode, useEffect } from "react";
import { Mark } from "../shell/Mark.tsx";
import classes from "./access.module.css";

export function SignInFrame({ title, children }: { title: string; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Tenfold`;
  }, [title]);
  return (
    <main className={classes.signIn}>
      <div className={classes.signInCard}>
        <Mark size={40} />
        <h1>{title}</h1>
        {children}
      </div>
    </main>
  );
}
