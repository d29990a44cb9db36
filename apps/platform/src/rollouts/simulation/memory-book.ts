import type { Book } from "../book.shell.ts";
import { memoryAhead } from "./memory-ahead.ts";
import { memoryDeployments } from "./memory-deployments.ts";
import { type Disk, penOn } from "./memory-disk.ts";
import { memoryRollouts } from "./memory-rollouts.ts";
import { memoryTallies } from "./memory-tallies.ts";

/**
 * The book of rollouts in memory: the second side of `Book`, for the deterministic simulation. What it answers is held against PostgreSQL by
 * `book.test.ts`. `undo` collects how to take the open transaction back; `append` is called before each write, where a server may die.
 */
export function memoryBook(disk: Disk, given: { append: () => void; undo: () => (() => void)[] }): Book {
  const pen = penOn(disk, given);
  return { ...memoryRollouts(disk, pen), ...memoryTallies(disk), ...memoryDeployments(disk, pen), ...memoryAhead(disk, pen) };
}
