/** A value is stored as `digits / 10^places`, exactly; with this in `places` it is stored as the binary float that it is, because it is no decimal of few places. */
export const asFloat = 255;

/**
 * Few choices on purpose: values of one series shall have the same number of places, or their differences are large. Each power of ten is exact in a
 * double, and so dividing by it gives the nearest double, which is what reading the decimal gave.
 */
const choices = [3, 6, 9] as const;
const powers = choices.map((places) => 10 ** places);

/** The places with which `value` is a whole number that a double holds exactly; `asFloat` where there are none. */
export function decimalPlaces(value: number): number {
  for (let choice = 0; choice < choices.length; choice++) {
    const power = powers[choice] ?? 1;
    const digits = Math.round(value * power);
    if (digits / power === value && Number.isSafeInteger(digits)) return choices[choice] ?? asFloat;
  }
  return asFloat;
}

/** What `value` is with so many places, as `decimalPlaces` gave them. */
export const digitsOf = (value: number, places: number): number => (places === asFloat ? 0 : Math.round(value * 10 ** places));
