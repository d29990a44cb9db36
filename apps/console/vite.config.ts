import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** Where `vite` (development only) finds a running platform. */
const platform = process.env.TENFOLD_URL ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react()],
  server: { host: "127.0.0.1", proxy: { "/api": platform } },
  build: {
    // The first versions that know light-dark() by themselves.
    target: ["chrome125", "edge125", "firefox126", "safari18"],
    // Nothing is inlined as a data: URL, so that the content security policy can stay at 'self'.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 800,
  },
});
