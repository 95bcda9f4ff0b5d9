/* Photos: enlarged in a dialog with what stands below them; arrows go to the next one. */
const dialog = make("dialog", { class: "zoom", "aria-label": "Photo" });
const shown = make("div", { class: "large" }), caption = make("div", { class: "caption", "aria-live": "polite" });
const step = (by, text) => {
  const button = make("button", { type: "button" }, text);
  button.addEventListener("click", () => move(by));
  return button;
};
const close = make("button", { type: "button" }, "Close");
const row = make("p", { class: "row-of-buttons" });
let opened = null;
const PICTURE = ".th, .gallery img";
const visible = (element) => element.checkVisibility ? element.checkVisibility() : element.offsetParent !== null;
const around = (picture) => $$(PICTURE, picture.closest("ul, ol, section") || document).filter(visible);
const zoom = (picture) => {
  opened = picture;
  const copy = picture.cloneNode(true);
  for (const name of ["tabindex", "role"]) copy.removeAttribute(name);
  if (copy.tagName !== "IMG") copy.setAttribute("role", "img");
  shown.replaceChildren(copy);
  const name = picture.getAttribute("alt") || picture.getAttribute("aria-label") || "";
  const card = picture.closest("li") || picture.closest("summary");
  caption.replaceChildren(make("strong", {}, name));
  if (card) $$("dl, .small, .what", card).forEach((part) => caption.append(make("p", {}, part.innerText)));
  if (!dialog.open) dialog.showModal();
};
const move = (by) => {
  const all = around(opened), next = all[all.indexOf(opened) + by];
  if (next) zoom(next);
};
row.append(step(-1, "Previous"), step(1, "Next"), close);
dialog.append(row, shown, caption);
close.addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => opened && opened.focus());
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("keydown", (event) => {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (by) { event.preventDefault(); move(by); }
});
const zoomable = (root) => $$(PICTURE, root).forEach((picture) => {
  const name = picture.getAttribute("alt") || picture.getAttribute("aria-label");
  if (picture.closest("summary")) return;
  picture.setAttribute("tabindex", "0");
  picture.setAttribute("role", "button");
  picture.setAttribute("aria-label", "Enlarge: " + name);
});
document.addEventListener("click", (event) => {
  const picture = event.target.closest && event.target.closest(PICTURE);
  if (picture && !dialog.contains(picture) && !picture.closest("summary")) zoom(picture);
});
document.addEventListener("keydown", (event) => {
  if ((event.key === "Enter" || event.key === " ") && event.target.matches(PICTURE) && !dialog.open) {
    event.preventDefault();
    zoom(event.target);
  }
});
