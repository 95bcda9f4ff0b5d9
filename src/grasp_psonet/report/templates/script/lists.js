/* Tables: a head's button orders the rows, within each group of rows. */
const sortable = (table) => {
  const heads = $$("thead tr:last-child > *", table);
  heads.forEach((head, column) => {
    if (!head.textContent.trim() || head.querySelector("svg")) return;
    const button = make("button", { type: "button", class: "sort" });
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
      for (const body of table.tBodies) {
        const rows = [...body.rows].filter((row) => !row.classList.contains("group"));
        body.append(...ordered(rows, (row) => valueOf(row.cells[column]), sign));
      }
    });
  });
};

/* A bar with search, filters and order for the items of a list, or for the rows of a long table. */
const FACETS = { class: "Class", label: "Label", predicted: "Predicted", view: "View", doubt: "Doubt", kept: "Kept network errs",
  removed: "Removed", loss: "Loss", errors: "Errors pushed", score: "Score", attention: "Attention" };
const labelled = (text, field) => { const label = make("label", {}, text + " "); label.append(field); return label; };
const choice = (options) => {
  const select = make("select");
  for (const [value, text] of options) select.append(make("option", { value }, text));
  return select;
};
const keys = (items, start) => [...new Set(items.flatMap((item) =>
  item.getAttributeNames().filter((name) => name.startsWith(start)).map((name) => name.slice(start.length))))];
const tools = (list, items, name, before) => {
  const bar = make("div", { class: "tools", role: "search", "aria-label": "Search " + name });
  const search = make("input", { type: "search", autocomplete: "off", size: "14" });
  const told = make("output", { class: "small" });
  bar.append(labelled("Search", search));
  const filters = keys(items, "data-facet-").map((facet) => {
    const values = [...new Set(items.map((item) => item.getAttribute("data-facet-" + facet)))].sort(compare);
    const select = choice([["", "all"], ...values.map((value) => ["=" + value, value])]);
    if (values.length > 1) bar.append(labelled(FACETS[facet] || facet, select));
    return [facet, select];
  });
  const texts = new Map(items.map((item) => [item, words(item.textContent)]));
  const show = () => {
    const wanted = words(search.value).split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const item of items) {
      const fits = wanted.every((word) => texts.get(item).includes(word)) && filters.every(([facet, select]) =>
        !select.value || select.value.slice(1) === item.getAttribute("data-facet-" + facet));
      item.hidden = !fits;
      shown += fits;
    }
    told.textContent = shown === items.length ? `${shown} shown` : `${shown} of ${items.length} shown`;
  };
  const orders = keys(items, "data-sort-");
  if (orders.length) {
    const by = choice([["", "as listed"], ...orders.flatMap((key) => [["-" + key, `${FACETS[key] || key}, highest first`],
      ["+" + key, `${FACETS[key] || key}, lowest first`]])]);
    by.addEventListener("change", () => {
      const key = "data-sort-" + by.value.slice(1), sign = by.value[0] === "-" ? -1 : 1;
      const value = (item) => item.hasAttribute(key) && item.getAttribute(key) !== "" ? Number(item.getAttribute(key)) : null;
      list.append(...(by.value ? ordered(items, value, sign) : items));
    });
    bar.append(labelled("Order", by));
  }
  for (const field of [search, ...filters.map(([, select]) => select)]) field.addEventListener("input", show);
  bar.append(told);
  const both = make("div");
  before.replaceWith(both);
  both.append(bar, before);
  show();
  return () => { search.value = ""; filters.forEach(([, select]) => { select.value = ""; }); show(); };
};
