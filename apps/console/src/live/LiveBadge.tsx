import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { Icon } from "../parts/icons.tsx";
import { type Look, toneColor } from "../parts/tones.ts";
import { followEvents, type LiveState } from "./stream.ts";

const looks: Record<LiveState, Look> = {
  connecting: { word: "Connecting", icon: "never", tone: "idle" },
  live: { word: "Live", icon: "running", tone: "ok" },
  lost: { word: "Reconnecting", icon: "warning", tone: "warn" },
};

const meanings: Record<LiveState, string> = {
  connecting: "Opening the live stream.",
  live: "What you see follows the fleet by itself.",
  lost: "The live stream is lost. It is being opened again; until then the page asks every 15 s.",
};

/** Holds the one live stream of this tab, and says how it is. */
export function LiveBadge() {
  const queries = useQueryClient();
  const [state, setState] = useState<LiveState>("connecting");
  useEffect(() => followEvents(queries, setState), [queries]);
  const look = looks[state];
  return (
    <span role="status" title={meanings[state]} style={{ display: "inline-flex", alignItems: "center", gap: 6, fontSize: 12.5 }}>
      <span style={{ display: "inline-flex", color: toneColor[look.tone] }}>
        <Icon name={look.icon} size={14} />
      </span>
      {look.word}
    </span>
  );
}
