/** At most `width` at once; the others wait in line. */
export type Gate = {
  /** Resolves with the way out once there is room. */
  enter(): Promise<() => void>;
  /** The way out, or undefined where there is no room now. */
  tryEnter(): (() => void) | undefined;
};

export function createGate(width: number): Gate {
  let inside = 0;
  const line: (() => void)[] = [];
  const leave = () => {
    let left = false;
    return () => {
      if (left) return;
      left = true;
      const next = line.shift();
      if (next) next();
      else inside -= 1;
    };
  };
  return {
    async enter() {
      if (inside < width) inside += 1;
      else await new Promise<void>((resolve) => line.push(resolve));
      return leave();
    },
    tryEnter() {
      if (inside >= width) return undefined;
      inside += 1;
      return leave();
    },
  };
}
