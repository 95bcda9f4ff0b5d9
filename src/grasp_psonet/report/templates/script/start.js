/* Links lead into what is folded or filtered away; paper has everything unfolded. */
const resets = new Map();
const follow = () => {
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  const item = target.closest("[data-find]");
  if (item && item.hidden) (resets.get(item.parentElement) || (() => {}))();
  for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
  target.scrollIntoView({ block: "start" });
  if (target.hasAttribute("tabindex")) target.focus({ preventScroll: true });
};
addEventListener("hashchange", follow);
document.addEventListener("click", (event) => {
  const link = event.target.closest && event.target.closest("a[href^='#']");
  if (link && link.getAttribute("href") === location.hash) follow();
});
let folded = [];
addEventListener("beforeprint", () => { folded = $$("details:not([open])"); folded.forEach((one) => { one.open = true; }); });
addEventListener("afterprint", () => { folded.forEach((one) => { one.open = false; }); });

$$(".wide > table:not(.settings)").forEach(sortable);
$$("[data-tools]").forEach((list) =>
  resets.set(list, tools(list, $$(":scope > [data-find]", list), list.getAttribute("data-tools"), list)));
$$(".wide > table:not(.settings)").forEach((table) => {
  const rows = $$("tbody tr:not(.group)", table);
  if (rows.length > 8) tools(table, rows, table.parentElement.getAttribute("aria-label"), table.parentElement);
});
$$("svg.chart").forEach(readable);
zoomable(document);
/* What is long is drawn when it comes near. */
const whenNear = (root, draw) => new IntersectionObserver((seen, observer) => {
  if (!seen.some((one) => one.isIntersecting)) return;
  observer.disconnect();
  draw(root);
}, { rootMargin: "600px" }).observe(root);
for (const [name, needed, draw] of [["all-photos", "photos-data", listAll], ["compare-runs", "compared-data", compareRuns]]) {
  const root = document.getElementById(name);
  if (root && document.getElementById(needed)) whenNear(root, draw);
}
document.body.append(dialog, tip);
document.documentElement.classList.add("scripted");
follow();
