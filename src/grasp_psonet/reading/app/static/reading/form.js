// The answers: by keyboard, saved as they are given, PASI worked out as they are.
"use strict";
(function () {
  const form = document.getElementById("answers");
  const questions = Array.from(document.querySelectorAll(".question"));
  const saved = document.getElementById("saved"), fault = document.getElementById("fault");
  const refused = document.getElementById("not-assessable"), reason = document.getElementById("reason");
  const WEIGHTS = { head: 0.1, upper_limbs: 0.2, trunk: 0.3, lower_limbs: 0.4 };
  const GRADES = ["erythema", "induration", "desquamation"];
  let isSaving = false, isChanged = false, isLost = false, timer = null;

  const valueOf = (name) => {
    const chosen = form.querySelector("input[name='v." + name + "']:checked");
    return chosen ? Number(chosen.value) : null;
  };
  function total() {
    if (form.dataset.kind !== "components") return;
    let sum = 0, isWhole = true;
    Object.keys(WEIGHTS).forEach((region) => {
      const grades = GRADES.map((part) => valueOf(region + "_" + part)), area = valueOf(region + "_area");
      if (area === null || grades.includes(null)) isWhole = false;
      else sum += WEIGHTS[region] * area * (grades[0] + grades[1] + grades[2]);
    });
    document.getElementById("total").textContent = isWhole ? (Math.round(sum * 10) / 10).toFixed(1) : "\u2013";
  }
  function shown() {
    document.getElementById("questions").hidden = refused.checked;
    reason.hidden = !refused.checked;
    reason.querySelector("input").required = refused.checked;
    document.querySelectorAll(".thumb").forEach((thumb) => {
      thumb.classList.toggle("flagged", form.querySelector(".flags[data-code='" + thumb.dataset.code + "'] input:checked") !== null);
    });
    total();
  }
  function clean(changed) {  // no area, no grades
    const name = changed.name || "";
    if (!name.endsWith("_area") || changed.value !== "0") return;
    const region = name.slice(2, -"_area".length);
    GRADES.forEach((part) => { form.querySelector("input[name='v." + region + "_" + part + "'][value='0']").checked = true; });
  }
  function later(wait) { window.clearTimeout(timer); timer = window.setTimeout(save, wait); }
  async function save() {
    if (isLost) return false;
    if (isSaving) { isChanged = true; return false; }
    isSaving = true; isChanged = false;
    saved.textContent = "saving";
    let isKept = false;
    try {
      const answer = await fetch(form.dataset.draft, { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual" });
      const told = answer.ok || answer.status === 400 || answer.status === 409 ? await answer.json() : null;
      if (answer.ok) {
        form.elements.revision.value = told.revision;
        saved.textContent = "saved"; fault.hidden = true; isKept = true;
      } else if (told) {
        isLost = answer.status === 409;
        say(told.told);
      } else {
        isLost = answer.type === "opaqueredirect" || answer.status === 404;
        say(isLost ? "The session has ended. Sign in again; what was saved is kept." : "Not saved. Trying again.");
        if (!isLost) later(3000);
      }
    } catch (error) {
      say("No connection: not saved yet. Trying again.");
      later(3000);
    }
    isSaving = false;
    if (isChanged) later(0);
    return isKept;
  }
  function say(text) { saved.textContent = "not saved"; fault.textContent = text; fault.hidden = false; }

  const focusable = (question) => question.querySelector("input:checked") || question.querySelector("input");
  function go(by) {
    const at = questions.findIndex((question) => question.contains(document.activeElement));
    const next = at < 0 ? (by > 0 ? 0 : questions.length - 1) : at + by;
    if (next >= questions.length) document.getElementById("sign").focus();
    else if (next >= 0) focusable(questions[next]).focus();
  }
  function answer(digit) {
    const at = questions.findIndex((question) => question.contains(document.activeElement));
    const question = questions[at < 0 ? questions.findIndex((one) => !one.querySelector("input:checked")) : at];
    const input = question && question.querySelector("input[type='radio'][value='" + digit + "']");
    if (!input) return;
    input.focus();
    input.checked = true;
    input.dispatchEvent(new Event("change", { bubbles: true }));
    go(1);
  }
  const keys = {
    n: viewer.next, p: viewer.previous, "+": viewer.larger, "=": viewer.larger, "-": viewer.smaller, w: viewer.whole, "?": viewer.help,
    b: () => viewer.brighten(10), d: () => viewer.brighten(-10), r: () => viewer.brighten(0),
    f: () => { const first = viewer.flags(); if (first) first.focus(); },
    x: () => refused.click(), c: () => form.elements.comment.focus(), s: () => form.requestSubmit(),
  };
  const pans = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  document.addEventListener("keydown", (event) => {
    const on = event.target, isText = on.matches("textarea, input:not([type='radio']):not([type='checkbox']):not([type='range'])");
    if (event.key === "Escape" && isText) { on.blur(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || isText || document.getElementById("help").open) return;
    if (event.key === "Enter" && on.matches("input, body, #view")) { event.preventDefault(); go(event.shiftKey ? -1 : 1); }
    else if (/^[0-9]$/.test(event.key)) { event.preventDefault(); answer(event.key); }
    else if (pans[event.key] && !on.matches("input")) { event.preventDefault(); viewer.pan.apply(null, pans[event.key]); }
    else if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
  });
  form.addEventListener("change", (event) => { clean(event.target); shown(); later(150); });
  form.addEventListener("input", (event) => { if (event.target.matches("textarea, input:not([type='radio'])")) later(800); });
  form.addEventListener("keydown", (event) => { if (event.key === "Enter" && event.target.matches("input:not([type='radio']):not([type='checkbox'])")) event.preventDefault(); });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    window.clearTimeout(timer);
    while (isSaving) await new Promise((done) => window.setTimeout(done, 50));
    if (await save()) window.location.assign(form.action);
  });
  shown();
  if (questions.length) focusable(questions[0]).focus();
})();
