/** The mark: three rungs of a rollout, each reaching further than the one above. */
export function Mark({ size = 24 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="7" fill="#0d5c66" />
      <path d="M7 24h18M7 16h11M7 8h4" stroke="#f4efe4" strokeWidth="4" strokeLinecap="round" />
    </svg>
  );
}
