// Chromium under LANG=C says `en-US@posix`, which is no language, and uPlot would end there.
try {
  new Intl.NumberFormat(navigator.language);
} catch {
  Object.defineProperty(navigator, "language", { value: "en-US" });
}
