/* Two runs beside each other: figures with their paired differences, curves, answers that differ, photos that left. */
/* Halves that a number holds exactly (0.125) go to the even side, as in the rest of the page. */
const hundredths = (value) => {
  const times = Math.abs(value) * 100, whole = Math.floor(times);
  return Number.isInteger(value * 8) && times - whole === 0.5 ? (Math.sign(value) * (whole + whole % 2) / 100).toFixed(2) : value.toFixed(2);
};
const SHOWN = { two: (value) => hundredths(value).replace(/^-0\.00$/, "0.00").replace("-", "\u2212"), signed: (value) => {
  const written = (value > 0 ? "+" : "") + (Math.abs(value) < 0.005 ? value.toFixed(3) : hundredths(value));
  return Number(written) === 0 ? "0.000" : written.replace("-", "\u2212");
} };
const MOST_PHOTOS = 60;
const compareRuns = (root) => {
  const data = JSON.parse(document.getElementById("compared-data").textContent), names = data.runs.map((run) => run.name);
  const select = (value) => { const made = choice(names.map((name) => [name, name])); made.value = value; return made; };
  const before = select(data.first), after = select(data.second);
  const swap = make("button", { type: "button" }, "Swap"), told = make("div", { "aria-live": "polite", "aria-atomic": "false" });
  const bar = make("div", { class: "tools", role: "group", "aria-label": "Runs to compare" });
  bar.append(labelled("Run", before), labelled("beside", after), swap);

  const number = (value, form) => value === null ? make("span", { class: "missing" }, "not estimable") :
    make("span", { class: "number" }, SHOWN[form](value));
  const cell = (estimate, form) => {
    const made = make("td", { class: "r" });
    made.append(number(estimate.value, form));
    if (estimate.low !== null && estimate.high !== null) {
      const ends = [estimate.low, estimate.high].map((end) => SHOWN[form](end).replace("+", ""));
      made.append(make("span", { class: "ci" }, ends.join(" to ")));
    } else if (estimate.value === null && estimate.why_not) made.append(make("span", { class: "ci why" }, estimate.why_not));
    return made;
  };
  const row = (head, cells) => { const made = make("tr"); made.append(make("th", { scope: "row" }, head), ...cells); return made; };
  const table = (caption, heads, rows) => {
    const around = make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": caption }), made = make("table", { class: "narrow" });
    const line = make("tr"), head = make("thead"), body = make("tbody");
    line.append(...heads.map((text, at) => make("th", at ? { scope: "col", class: text.numeric ? "r" : "" } : { scope: "col" }, text.text)));
    head.append(line);
    body.append(...rows);
    made.append(make("caption", {}, caption), head, body);
    around.append(made);
    sortable(made);
    return around;
  };
  const head = (text, numeric = false) => ({ text, numeric });
  /* The pair as it is listed, or turned around. */
  const paired = (a, b) => {
    const found = data.pairs.find((pair) => pair.run === b && pair.against === a);
    if (found) return found.differences;
    const turned = data.pairs.find((pair) => pair.run === a && pair.against === b), minus = (value) => value === null ? null : -value;
    return turned.differences.map((of) => Object.fromEntries(Object.entries(of).map(([name, one]) =>
      [name, { ...one, value: minus(one.value), low: minus(one.high), high: minus(one.low) }])));
  };
  const verdict = (one) => one.low === null || one.high === null ? "no interval" : one.low > 0 ? "better" : one.high < 0 ? "worse" : "not told apart";
  const figures = (a, b) => {
    const of = (name) => data.arms[name], differences = paired(a, b);
    const rows = data.readers.flatMap((reader, at) => Object.entries(data.metrics).map(([name, word]) => {
      const one = differences[at][name];
      return row(`${word}, ${reader}`, [cell(of(a)[at][name], "two"), cell(of(b)[at][name], "two"), cell(one, "signed"), make("td", {}, verdict(one))]);
    }));
    return table(`Figures on test; where the paired difference is positive, ${b} is better`, [head("Figure"), head(a, true), head(b, true), head("Difference", true), head("Told apart")], rows);
  };
  let copies = 0;
  const curve = (name) => {
    const made = make("li"), panels = $$("#training [data-run]").find((one) => one.getAttribute("data-run") === name);
    made.append(make("h4", {}, name));
    if (!panels) made.append(make("p", { class: "small" }, "no record by epoch"));
    else for (const part of $$("svg, p", panels)) {
      const copy = part.cloneNode(true);
      for (const titled of $$("title", copy)) { titled.id += `-copy-${++copies}`; copy.setAttribute("aria-labelledby", titled.id); }
      made.append(copy);
      if (part.tagName === "svg") readable(copy);
    }
    return made;
  };
  const curves = (a, b) => {
    const made = make("ul", { class: "panels" });
    made.append(...[a, b].map(curve));
    return made;
  };
  const isApart = (one, other) => data.apart === null ? one !== other : Math.abs(one - other) > data.apart;
  const label = (value) => value === null ? "\u2013" : data.apart === null ? data.severities[value] : value.toFixed(1);
  const answers = (a, b) => {
    const [one, other] = [a, b].map((name) => data.runs.find((run) => run.name === name).predicted);
    const changed = data.visit_ids.map((_, at) => at).filter((at) => isApart(one[at], other[at]));
    const is = (said, at) => data.labels[0][at] !== null && !isApart(said[at], data.labels[0][at]);
    const rows = changed.map((at) => row(data.visit_ids[at], [
      ...data.labels.map((of) => make("td", {}, label(of[at]))), make("td", {}, label(one[at])), make("td", {}, label(other[at])),
      make("td", {}, data.labels[0][at] === null ? "not read" : is(other, at) ? "now right" : is(one, at) ? "now wrong" : "both wrong")]));
    const right = rows.filter((line) => line.lastChild.textContent === "now right").length;
    const wrong = rows.filter((line) => line.lastChild.textContent === "now wrong").length;
    const made = make("div"), words = `${changed.length} of ${data.visit_ids.length} test visits are answered differently: against ${data.readers[0]}, ` +
      `${right} right only by ${b}, ${wrong} only by ${a}.`;
    made.append(make("p", { class: "changed" }, words));
    if (rows.length) made.append(table("Visits whose answer changed", [head("Visit"), ...data.readers.map((reader) => head(reader)), head(a), head(b), head(`By ${data.readers[0]}`)], rows));
    return made;
  };
  const photos = (caption, places) => {
    const made = make("details"), listed = places.slice(0, MOST_PHOTOS).map((place) => data.photo_ids[place]), all = album();
    made.append(make("summary", {}, `${caption}: ${places.length}`));
    const list = make("ul", { class: "cards all" });
    made.addEventListener("toggle", () => {
      if (!made.open || list.children.length) return;
      list.append(...listed.map((name) => {
        if (all && all.at.has(name)) return all.item(all.at.get(name));
        const card = make("li", { class: "card" });
        card.append(make("p", { class: "id" }, name));
        return card;
      }));
      zoomable(list);
    });
    if (places.length) made.append(list);
    if (places.length > MOST_PHOTOS) made.append(make("p", { class: "small" }, `the first ${MOST_PHOTOS}; all stand in results.json`));
    return made;
  };
  const left = (a, b) => {
    const [one, other] = [a, b].map((name) => data.runs.find((run) => run.name === name).removed), made = make("div");
    made.append(photos(`Photos removed in ${a} alone`, one.filter((place) => !other.includes(place))),
      photos(`Photos removed in ${b} alone`, other.filter((place) => !one.includes(place))),
      photos("Photos removed in both", one.filter((place) => other.includes(place))));
    return made;
  };
  const show = () => {
    const a = before.value, b = after.value;
    if (a === b) { told.replaceChildren(make("p", {}, "This is one run twice: choose another.")); return; }
    told.replaceChildren(figures(a, b), make("h3", {}, "By epoch"), curves(a, b), make("h3", {}, "Answers"), answers(a, b),
      make("h3", {}, "Photos removed"), left(a, b));
  };
  for (const field of [before, after]) field.addEventListener("input", show);
  swap.addEventListener("click", () => { [before.value, after.value] = [after.value, before.value]; show(); });
  root.replaceChildren(bar, told);
  show();
};
