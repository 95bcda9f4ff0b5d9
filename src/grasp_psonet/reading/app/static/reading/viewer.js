// The photos of a visit: which one is shown, how large, which part of it, how bright. Nothing of it is kept.
"use strict";
window.viewer = (function () {
  const view = document.getElementById("view");
  const large = document.getElementById("large");
  const place = document.getElementById("place");
  const brightness = document.getElementById("brightness");
  const thumbs = Array.from(document.querySelectorAll(".thumb"));
  const STEP = 1.25, LARGEST = 8, PAN = 60;
  let shown = 0, scale = 1, x = 0, y = 0, dragged = null;

  function draw() {
    if (scale === 1) { x = 0; y = 0; }
    const room = [(view.clientWidth * (scale - 1)) / 2 + 1, (view.clientHeight * (scale - 1)) / 2 + 1];
    x = Math.max(-room[0], Math.min(room[0], x));
    y = Math.max(-room[1], Math.min(room[1], y));
    large.style.transform = "translate(" + x + "px, " + y + "px) scale(" + scale + ")";
    large.style.filter = "brightness(" + brightness.value + "%)";
  }
  function show(number) {
    if (!thumbs.length) return;
    shown = (number + thumbs.length) % thumbs.length;
    const thumb = thumbs[shown];
    large.src = thumb.dataset.large;
    view.setAttribute("aria-label", thumb.getAttribute("aria-label"));
    place.textContent = thumb.dataset.region + " \u00b7 " + (shown + 1) + " of " + thumbs.length;
    thumbs.forEach((one, at) => one.setAttribute("aria-pressed", at === shown ? "true" : "false"));
    thumb.scrollIntoView({ block: "nearest", inline: "nearest" });
    document.querySelectorAll(".flags").forEach((one) => { one.hidden = one.dataset.code !== thumb.dataset.code; });
    scale = 1;
    draw();
  }
  function zoom(factor) { scale = Math.max(1, Math.min(LARGEST, scale * factor)); draw(); }
  function pan(right, down) { x -= right * PAN; y -= down * PAN; draw(); }
  function brighten(by) {
    brightness.value = by === 0 ? 100 : Number(brightness.value) + by;
    draw();
  }
  thumbs.forEach((thumb, at) => thumb.addEventListener("click", () => show(at)));
  brightness.addEventListener("input", draw);
  view.addEventListener("wheel", (event) => { event.preventDefault(); zoom(event.deltaY < 0 ? STEP : 1 / STEP); }, { passive: false });
  view.addEventListener("dblclick", () => { scale = scale > 1 ? 1 : 2.5; draw(); });

  const fingers = new Map();
  view.addEventListener("pointerdown", (event) => {
    view.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, event);
    dragged = { x: event.clientX - x, y: event.clientY - y };
  });
  view.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    const apart = () => {
      const two = Array.from(fingers.values());
      return Math.hypot(two[0].clientX - two[1].clientX, two[0].clientY - two[1].clientY);
    };
    const before = fingers.size === 2 ? apart() : 0;
    fingers.set(event.pointerId, event);
    if (fingers.size === 2 && before > 0) zoom(apart() / before);
    else if (dragged) { x = event.clientX - dragged.x; y = event.clientY - dragged.y; draw(); }
  });
  ["pointerup", "pointercancel"].forEach((name) => view.addEventListener(name, (event) => { fingers.delete(event.pointerId); dragged = null; }));

  const actions = {
    next: () => show(shown + 1), previous: () => show(shown - 1), in: () => zoom(STEP), out: () => zoom(1 / STEP),
    whole: () => { scale = 1; draw(); }, help: () => document.getElementById("help").showModal(),
  };
  document.querySelectorAll("[data-do]").forEach((one) => one.addEventListener("click", () => actions[one.dataset.do]()));
  show(0);
  return {
    next: actions.next, previous: actions.previous, larger: actions.in, smaller: actions.out, whole: actions.whole, help: actions.help,
    pan: pan, brighten: brighten, flags: () => document.querySelector(".flags:not([hidden]) input"),
  };
})();
