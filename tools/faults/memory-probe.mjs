/** Preloaded into a platform whose memory is to be known: at SIGUSR2 it collects its garbage, and says so in its log when it has. */
process.on("SIGUSR2", () => {
  globalThis.gc();
  process.stdout.write('{"event":"probe.collected"}\n');
});
