import { createTheme, type MantineColorsTuple } from "@mantine/core";

const ember: MantineColorsTuple = [
  "#fdf0ee",
  "#fbdcd8",
  "#f6b6ae",
  "#f08d81",
  "#e9695a",
  "#df4a39",
  "#cc3324",
  "#ad2418",
  "#8f1c12",
  "#6f140c",
];
/** Tenfold's own accent: deep water, far from the red, amber and green that carry meaning. */
const tide: MantineColorsTuple = [
  "#e9f6f6",
  "#d3ebec",
  "#a5d7da",
  "#73c1c7",
  "#4cafb6",
  "#2f9ea7",
  "#1b8791",
  "#0f6f79",
  "#0d5c66",
  "#084a53",
];
const stone: MantineColorsTuple = [
  "#faf9f6",
  "#f3f1ec",
  "#e7e4dc",
  "#d9d5ca",
  "#bfbab0",
  "#9a958b",
  "#716d66",
  "#56534e",
  "#3a3835",
  "#232220",
];
const ink: MantineColorsTuple = [
  "#e6e9ea",
  "#c3cacd",
  "#a2acb1",
  "#7b878d",
  "#4d585f",
  "#37424a",
  "#262f36",
  "#1b2329",
  "#151c21",
  "#0f1519",
];

export const theme = createTheme({
  primaryColor: "tide",
  primaryShade: 7,
  autoContrast: true,
  colors: { tide, red: ember, gray: stone, dark: ink },
  fontFamily: '"IBM Plex Sans Variable", system-ui, -apple-system, "Segoe UI", sans-serif',
  fontFamilyMonospace: '"IBM Plex Mono", ui-monospace, "SF Mono", Menlo, monospace',
  defaultRadius: "sm",
  radius: { sm: "5px", md: "8px" },
  fontSizes: { xs: "12px", sm: "13.5px", md: "15px", lg: "17px", xl: "20px" },
  headings: { fontWeight: "600" },
  cursorType: "pointer",
  respectReducedMotion: true,
  components: {
    Button: { defaultProps: { size: "sm" } },
    Modal: { defaultProps: { centered: true, radius: "md" } },
    Tooltip: { defaultProps: { withArrow: true, multiline: true, maw: 340, events: { hover: true, focus: true, touch: true } } },
  },
});
