import { Button, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api } from "@tenfold/contracts";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { cli } from "../cli.ts";
import { CopyLine } from "../parts/CopyLine.tsx";
import { ProblemNote } from "../parts/ProblemNote.tsx";
import { useGo } from "../parts/search.ts";
import { paths } from "../paths.ts";
import { client } from "../queries.ts";
import { SignInFrame } from "./SignInFrame.tsx";

/** `/signin#TOKEN`: signs in at once. The token stands in the fragment, which no server or proxy ever logs. */
export function RedeemSignIn() {
  const { token, redeem } = useRedeem();
  const begun = useRef(false);
  useEffect(() => {
    if (begun.current || token === "") return;
    begun.current = true;
    redeem.mutate({ token });
  }, [token, redeem]);
  return (
    <SignInFrame title="Sign in to Tenfold">
      {token === "" || redeem.error ? <Refused error={redeem.error} /> : <p role="status">Signing you in …</p>}
    </SignInFrame>
  );
}

/** `/setup#TOKEN`: the first person says a name, and becomes the administrator. */
export function RedeemSetUp() {
  const { token, redeem } = useRedeem();
  const [name, setName] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    redeem.mutate({ token, ...(name.trim() === "" ? {} : { name: name.trim() }) });
  };
  return (
    <SignInFrame title="Set up Tenfold">
      {token === "" || redeem.error ? (
        <Refused error={redeem.error} />
      ) : (
        <form onSubmit={submit}>
          <p>This fleet is yours to run. Your name appears in the audit trail beside what you change.</p>
          <TextInput
            label="Your name"
            autoComplete="name"
            maxLength={100}
            my="md"
            data-autofocus
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <Button type="submit" loading={redeem.isPending}>
            Open the console
          </Button>
        </form>
      )}
    </SignInFrame>
  );
}

function Refused({ error }: { error: Error | null }) {
  return (
    <>
      {error ? (
        <ProblemNote error={error} />
      ) : (
        <p>This address carries no token. Open the whole link, with what stands behind the #.</p>
      )}
      <p>Ask for a new one-time link on the machine that runs the platform:</p>
      <CopyLine line={cli.open()} label="Copy the command" />
    </>
  );
}

function useRedeem() {
  const [token] = useState(() => location.hash.slice(1));
  const go = useGo();
  const queries = useQueryClient();
  const redeem = useMutation({
    mutationFn: (body: { token: string; name?: string }) => client.call(api.redeemSignInLink, { body }),
    onSuccess: async () => {
      await queries.resetQueries({ queryKey: [api.whoAmI.name] });
      go(paths.overview(), "replace");
    },
  });
  return { token, redeem };
}
