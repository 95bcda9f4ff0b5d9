// Light or dark: as the system says, unless chosen here. Runs before the page is drawn.
"use strict";
(function () {
  const kept = window.localStorage.getItem("theme");
  const shown = () =>
    document.documentElement.dataset.theme || (window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
  document.addEventListener("DOMContentLoaded", function () {
    const button = document.getElementById("theme");
    button.hidden = false;
    button.addEventListener("click", function () {
      const wanted = shown() === "dark" ? "light" : "dark";
      document.documentElement.dataset.theme = wanted;
      window.localStorage.setItem("theme", wanted);
    });
  });
})();
