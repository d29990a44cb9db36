import type { ReactNode } from "react";

/** Line icons of 16 units, drawn for the console: no icon font, no request. Always decorative; words carry the meaning. */
const shapes = {
  overview: <path d="M2.5 13.5V8M6.2 13.5V4M9.8 13.5V9.5M13.5 13.5V2.5" />,
  kpis: <path d="M2 12.5 6 8l3 2.5L14 4M10.5 3.5H14V7" />,
  devices: <path d="M4.5 4.5h7v7h-7zM6.5 2v2.5M9.5 2v2.5M6.5 11.5V14M9.5 11.5V14M2 6.5h2.5M2 9.5h2.5M11.5 6.5H14M11.5 9.5H14" />,
  rollouts: <path d="M2.5 13.5h11M2.5 8.5h7M2.5 3.5h3" strokeWidth="2.2" />,
  releases: <path d="M8 1.8 13.5 5v6L8 14.2 2.5 11V5zM2.8 5.2 8 8.2l5.2-3M8 8.2v5.6" />,
  plans: <path d="M2.5 3h11v10h-11zM5 6h1.2M5 10h1.2M8 6h3.2M8 10h3.2" />,
  freezes: <path d="M8 1.8v12.4M2.6 4.9l10.8 6.2M13.4 4.9 2.6 11.1M6.2 2.8 8 4.4l1.8-1.6M6.2 13.2 8 11.6l1.8 1.6" />,
  pins: <path d="M6 2h4l-.4 4.4 2.4 2.3H4l2.4-2.3zM8 8.7V14" />,
  metadata: <path d="M5.2 9.2a3.2 3.2 0 1 1 2.2-1.1L13.5 14M11 11.4l1.6-1.6" />,
  print: <path d="M4.5 6V2.5h7V6M4.5 11.5h-2V6h11v5.5h-2M4.5 9.5h7v4h-7z" />,
  alerts: <path d="M3.5 11.5V7a4.5 4.5 0 0 1 9 0v4.5l1 1h-11zM6.5 14h3" />,
  enrollment: <path d="M8 1.8 13 3.6v4.2c0 3-2 5.2-5 6.4-3-1.2-5-3.4-5-6.4V3.6zM5.8 8l1.6 1.6 3-3.2" />,
  audit: <path d="M4 2.5h8v11H4zM6 5.5h4M6 8h4M6 10.5h2.5" />,
  access: <path d="M8 7.5a2.7 2.7 0 1 0 0-5.4 2.7 2.7 0 0 0 0 5.4zM2.8 14c.4-2.8 2.4-4.4 5.2-4.4s4.8 1.6 5.2 4.4" />,
  terminal: <path d="M2 3h12v10H2zM4.5 6l2 2-2 2M8 10.2h3.2" />,
  copy: <path d="M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3" />,
  check: <path d="m3 8.5 3.2 3.2L13 4.8" />,
  cross: <path d="m4 4 8 8M12 4l-8 8" />,
  pause: <path d="M5.5 3.5v9M10.5 3.5v9" strokeWidth="2" />,
  play: <path d="M5 3.2 12.2 8 5 12.8z" />,
  undo: <path d="M3 7h6.5a3.5 3.5 0 0 1 0 7H6M5.8 4 3 7l2.8 3" />,
  plus: <path d="M8 3v10M3 8h10" />,
  sun: (
    <path d="M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9" />
  ),
  moon: <path d="M13 9.6A5.5 5.5 0 1 1 6.4 3a4.4 4.4 0 0 0 6.6 6.6z" />,
  auto: (
    <>
      <circle cx="8" cy="8" r="5.5" />
      <path d="M8 2.5a5.5 5.5 0 0 1 0 11z" fill="currentColor" />
    </>
  ),
  online: (
    <>
      <circle cx="8" cy="8" r="6" fill="currentColor" stroke="none" />
      <path d="m5.4 8.2 1.9 1.9 3.4-3.9" stroke="var(--tf-surface)" />
    </>
  ),
  late: (
    <>
      <circle cx="8" cy="8" r="5.6" />
      <path d="M8 4.8V8l2.2 1.6" />
    </>
  ),
  offline: (
    <>
      <circle cx="8" cy="8" r="6" fill="currentColor" stroke="none" />
      <path d="m5.8 5.8 4.4 4.4M10.2 5.8l-4.4 4.4" stroke="var(--tf-surface)" />
    </>
  ),
  never: <circle cx="8" cy="8" r="5.6" strokeDasharray="1.6 2.2" />,
  waiting: <circle cx="8" cy="8" r="5.6" />,
  running: (
    <>
      <circle cx="8" cy="8" r="5.6" />
      <circle cx="8" cy="8" r="2.6" fill="currentColor" stroke="none" />
    </>
  ),
  halted: (
    <>
      <path d="M5.4 1.8h5.2l3.6 3.6v5.2l-3.6 3.6H5.4l-3.6-3.6V5.4z" fill="currentColor" stroke="none" />
      <path d="M8 4.8v4M8 11v.2" stroke="var(--tf-surface)" strokeWidth="1.8" />
    </>
  ),
  warning: <path d="M8 2.2 14.4 13.4H1.6zM8 6.6v3M8 11.4v.2" />,
  info: (
    <>
      <circle cx="8" cy="8" r="5.8" />
      <path d="M8 7.4v3.4M8 5.2v.2" />
    </>
  ),
} satisfies Record<string, ReactNode>;

export type IconName = keyof typeof shapes;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.4"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      style={{ flex: "none" }}
    >
      {shapes[name]}
    </svg>
  );
}
