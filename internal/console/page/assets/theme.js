// Chooses light or dark before the page is drawn, where the person left it to the browser.
(() => {
  const page = document.documentElement;
  if (page.dataset.theme !== "auto") return;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => { page.dataset.bsTheme = dark.matches ? "dark" : "light"; };
  dark.addEventListener("change", follow);
  follow();
})();
