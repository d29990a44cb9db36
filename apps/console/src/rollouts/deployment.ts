import type { DeploymentState } from "@tenfold/contracts";
import { sentence } from "../format.ts";
import type { Look } from "../parts/tones.ts";

/** How the state of an update on one device is said. */
export function deploymentLook(state: DeploymentState): Look {
  switch (state) {
    case "succeeded":
      return { word: "Verified boot", icon: "online", tone: "ok" };
    case "failed":
      return { word: "Failed", icon: "offline", tone: "bad" };
    case "unresponsive":
      return { word: "Silent", icon: "offline", tone: "bad" };
    case "rolled_back":
      return { word: "Rolled back", icon: "undo", tone: "warn" };
    case "queued":
    case "skipped":
    case "cancelled":
      return { word: sentence(state), icon: "waiting", tone: "idle" };
    default:
      return { word: sentence(state), icon: "running", tone: "accent" };
  }
}
