/* Charts: values of the marks, by the pointer or, with the chart in focus, by the arrow keys. */
const tip = make("div", { class: "tip", role: "status", hidden: "" });
const tell = (mark) => {
  const at = mark.getBoundingClientRect();
  tip.textContent = mark.getAttribute("data-tip");
  tip.hidden = false;
  tip.style.left = Math.max(4, Math.min(at.left + at.width / 2, innerWidth - tip.offsetWidth - 8)) + scrollX + "px";
  tip.style.top = at.top + scrollY - tip.offsetHeight - 8 + "px";
};
const hush = () => { tip.hidden = true; };
const readable = (chart) => {
  const marks = $$("[data-tip]", chart);
  if (!marks.length) return;
  let at = -1;
  chart.setAttribute("tabindex", "0");
  chart.addEventListener("pointerover", (event) => event.target.closest("[data-tip]") && tell(event.target.closest("[data-tip]")));
  chart.addEventListener("pointerout", hush);
  chart.addEventListener("blur", hush);
  chart.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    at = (at + by + marks.length) % marks.length;
    tell(marks[at]);
  });
};
