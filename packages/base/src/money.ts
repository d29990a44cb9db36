/** An amount in the smallest unit of its currency (cents), which is an ISO 4217 code. */
export type Money = { amount: number; currency: string };

/** How many digits the smallest unit of a currency has behind the point: 2 of EUR, 0 of JPY. */
const digitsOf = (currency: string): number =>
  new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits ?? 2;

/** Reads `4.50 EUR` or `EUR 4.50`; undefined for what is no amount, has more digits than its currency, or is negative. */
export function readMoney(text: string): Money | undefined {
  const [, before, number = "", after] = /^(?:([A-Z]{3})\s+)?(\d{1,9}(?:\.\d{1,4})?)(?:\s+([A-Z]{3}))?$/.exec(text.trim()) ?? [];
  const currency = before ?? after;
  if (currency === undefined || (before !== undefined && after !== undefined)) return undefined;
  const digits = digitsOf(currency);
  const amount = Number(number) * 10 ** digits;
  return Math.abs(amount - Math.round(amount)) < 1e-6 ? { amount: Math.round(amount), currency } : undefined;
}

/** `4.50 EUR`: what `readMoney` reads back to the same. */
export const moneyWord = ({ amount, currency }: Money): string => {
  const digits = digitsOf(currency);
  return `${(amount / 10 ** digits).toFixed(digits)} ${currency}`;
};
