/** A trend without axes, beside the number that it led to. Gaps stay gaps. Decorative: the KPI page has the chart and the table. */
export function Sparkline({ values }: { values: readonly (number | null)[] }) {
  const known = values.filter((v) => v !== null);
  if (known.length < 2) return null;
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const x = (place: number) => (place / (values.length - 1)) * 108 + 1;
  const y = (v: number) => (high === low ? 16 : 29 - ((v - low) / (high - low)) * 26);
  let pen = "M";
  const line = values.map((v, place) => {
    if (v === null) {
      pen = "M";
      return "";
    }
    const step = `${pen}${x(place).toFixed(1)} ${y(v).toFixed(1)}`;
    pen = "L";
    return step;
  });
  return (
    <svg width="110" height="32" viewBox="0 0 110 32" aria-hidden="true">
      <path
        d={line.join("")}
        fill="none"
        stroke="var(--tf-accent)"
        strokeWidth="1.6"
        strokeLinejoin="round"
        strokeLinecap="round"
      />
    </svg>
  );
}
