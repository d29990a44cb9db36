/** The value of `--name=value` on the command line, or `otherwise`. */
export function option(name: string, otherwise: string): string {
  const prefix = `--${name}=`;
  return process.argv.find((word) => word.startsWith(prefix))?.slice(prefix.length) ?? otherwise;
}

export const numbers = (text: string): number[] => text.split(",").map(Number);
