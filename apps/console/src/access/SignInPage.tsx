import { cli } from "../cli.ts";
import { CopyLine } from "../parts/CopyLine.tsx";
import { SignInFrame } from "./SignInFrame.tsx";

/** Shown wherever one goes without a session. There is no password: a one-time link signs in. */
export function SignInPage() {
  return (
    <SignInFrame title="Sign in to Tenfold">
      <p>There is no password to remember. On the machine that runs the platform, ask for a one-time link and open it:</p>
      <CopyLine line={cli.open()} label="Copy the command" />
      <p>
        The very first link is printed when the platform starts (<code>npm start</code>). A link works once and only for a few
        minutes.
      </p>
    </SignInFrame>
  );
}
