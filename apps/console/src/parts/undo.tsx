import { Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useEffect, useState } from "react";
import classes from "./parts.module.css";

/** What was just done, and how it is taken back. */
export type Undo = { says: string; run: () => Promise<unknown> };

const Offer = createContext<(undo: Undo) => void>(() => undefined);

/** Offers to take back what was just done. The server forgets nothing: taking back is a change of its own, in the audit trail. */
export const useOfferUndo = (): ((undo: Undo) => void) => useContext(Offer);

const offeredForMs = 30_000;

export function UndoOffers({ children }: { children: ReactNode }) {
  const [undo, setUndo] = useState<Undo>();
  useEffect(() => {
    if (undo === undefined) return;
    const end = setTimeout(() => setUndo(undefined), offeredForMs);
    return () => clearTimeout(end);
  }, [undo]);
  return (
    <Offer.Provider value={setUndo}>
      {children}
      <div role="status" className={classes.undoPlace}>
        {undo && <UndoBar key={undo.says} undo={undo} close={() => setUndo(undefined)} />}
      </div>
    </Offer.Provider>
  );
}

function UndoBar({ undo, close }: { undo: Undo; close: () => void }) {
  const queries = useQueryClient();
  const back = useMutation({
    mutationFn: undo.run,
    onSuccess: async () => {
      close();
      await queries.invalidateQueries();
    },
  });
  return (
    <div className={classes.undo}>
      <span>{back.error ? back.error.message : undo.says}</span>
      <Button size="xs" variant="default" onClick={() => back.mutate()} loading={back.isPending}>
        Undo
      </Button>
      <Button size="xs" variant="subtle" onClick={close}>
        Dismiss
      </Button>
    </div>
  );
}
