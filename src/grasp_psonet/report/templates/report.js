/* The page's own script: sorts, searches and filters, enlarges photos, reads values off charts, follows links into what is
   folded. It loads nothing, keeps nothing and sends nothing; without it everything is there, in the order of the file. */
"use strict";
(() => {
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const make = (name, attributes = {}, text = "") => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text) made.textContent = text;
    return made;
  };
  const words = (text) => text.toLowerCase().normalize("NFKD");

  /* The first number of a text as the page writes numbers: 1,234; −0.05; 8.2 %; −3.21×10⁻⁵. */
  const numberIn = (text) => {
    const plain = text.replace(/\u2212/g, "-").replace(/,/g, "").replace(/×10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)/, (_, power) =>
      "e" + [...power].map((sign) => (sign === "⁻" ? "-" : "⁰¹²³⁴⁵⁶⁷⁸⁹".indexOf(sign))).join(""));
    const found = plain.match(/[-+]?\d+(\.\d+)?(e-?\d+)?/);
    return found ? Number(found[0]) : null;
  };
  const apart = (text) => "\u2068" + text + "\u2069"; /* what turns text around turns nothing but itself */
  const valueOf = (cell) => {
    if (!cell || cell.querySelector(".missing")) return null;
    const shown = cell.querySelector(".number") || cell;
    const isNumber = shown !== cell || /^[\s+\u2212-]?[\d.,]+\s*%?$/.test(cell.textContent.trim());
    return isNumber ? numberIn(shown.textContent) : words(cell.textContent.trim());
  };
  const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  /* What has no value comes last, whichever way the rest is ordered. */
  const ordered = (items, value, sign) => items.map((item, at) => [value(item), at, item])
    .sort(([a, i], [b, j]) => (a === null) - (b === null) || (a === null ? 0 : sign * compare(a, b)) || i - j)
    .map(([, , item]) => item);

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

  /* All photos: one page of them at a time; a sheet of thumbnails is decoded when one of its photos is shown. */
  const ON_PAGE = 120;
  const asScore = (value) => {
    const [digits, power] = value.toExponential(2).split("e");
    const sign = value < 0 ? "\u2212" : "+", raised = [...String(Number(power))].map((one) => one === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[one]).join("");
    if (value === 0 || Math.abs(Number(power)) <= 2) return sign + Math.abs(value).toFixed(3);
    return sign + digits.replace("-", "") + "×10" + raised;
  };
  const FORMATS = { score: asScore, attention: (value) => (100 * value).toFixed(1) + "\u202f%", loss: (value) => value.toFixed(2) };
  const listAll = (root, data) => {
    const rules = document.head.appendChild(make("style")).sheet, decoded = new Set();
    const pushing = new Map($$(".pushing > li").map((item) => [item.querySelector(".id").textContent, item.id]));
    const columns = Object.entries(data.words), numbers = Object.entries(data.numbers);
    const told = (column, at) => column.codes[at] === null ? null : column.words[column.codes[at]];
    const thumbnail = (at) => {
      const place = data.pictures && data.pictures.at[at];
      if (place === null || place === undefined) return null;
      const wide = data.pictures.columns, most = wide * 10, sheet = Math.floor(place / most), rows = data.pictures.rows[sheet];
      if (!decoded.has(sheet)) {
        decoded.add(sheet);
        const address = document.getElementById("photos-sheet-" + sheet).textContent;
        rules.insertRule(`.all-${sheet} { background-image: url("${address}"); background-size: ${100 * wide}% ${100 * rows}% }`);
      }
      const column = place % wide, row = Math.floor((place % most) / wide);
      const made = make("span", { class: "th all-" + sheet, role: "img", "aria-label": "Photo " + data.photo_ids[at] });
      made.style.backgroundPosition = `${100 * column / (wide - 1)}% ${rows > 1 ? 100 * row / (rows - 1) : 0}%`;
      return made;
    };
    const item = (at) => {
      const made = make("li", { class: "card" }), picture = thumbnail(at), name = make("p", { class: "id" });
      if (picture) made.append(picture);
      const linked = pushing.get(data.photo_ids[at]);
      name.append(linked ? make("a", { href: "#" + linked }, data.photo_ids[at]) : data.photo_ids[at]);
      const known = columns.map(([key, column]) => [key, told(column, at)]).filter(([, word]) => word !== null);
      const own = known.filter(([key, word]) => key === "split" || key === "label" || key === "view" ||
        key === "removed" && word === "yes" || key === "quality" && word !== "nothing unusual");
      const more = [["visit", told(data.visits, at)], ...known.filter(([key]) => !["split", "label", "view"].includes(key))];
      const values = numbers.filter(([, column]) => column[at] !== null).map(([key, column]) => `${key} ${FORMATS[key](column[at])}`);
      made.append(name, make("p", { class: "small" }, own.map(([key, word]) => key === "removed" ? key : apart(word)).join(" · ")),
        make("p", { class: "small" }, values.join(" · ")), make("p", { class: "small more" }, more.map((pair) => pair.map(apart).join(" ")).join(" · ")));
      return made;
    };
    const bar = make("div", { class: "tools", role: "search", "aria-label": "Search all photos" });
    const search = make("input", { type: "search", autocomplete: "off", size: "14" });
    bar.append(labelled("Search", search));
    const filters = columns.map(([key, column]) => {
      const select = choice([["", "all"], ...column.words.map((word, code) => [String(code), word])]);
      if (key === "split") select.value = String(Math.max(0, column.words.indexOf("train")));
      if (column.words.length > 1) bar.append(labelled(FACETS[key] || key[0].toUpperCase() + key.slice(1), select));
      return [column, select];
    });
    const orders = numbers.flatMap(([key]) => [["+" + key, `${key}, lowest first`], ["-" + key, `${key}, highest first`]]);
    const by = choice([["", "as in the table"], ...orders]);
    by.value = "+score";
    bar.append(labelled("Order", by));
    const list = make("ul", { class: "cards all" }), count = make("output", { class: "small" });
    const pages = [-1, 1].map((turn) => {
      const button = make("button", { type: "button" }, turn < 0 ? "Previous page" : "Next page");
      button.addEventListener("click", () => { first += turn * ON_PAGE; draw(); root.scrollIntoView(); });
      return button;
    });
    let first = 0, shownNow = [];
    const draw = () => {
      const page = shownNow.slice(first, first + ON_PAGE);
      list.replaceChildren(...page.map(item));
      zoomable(list);
      count.textContent = page.length ? `${first + 1} to ${first + page.length} of ${shownNow.length} photos` : "no photo fits";
      pages[0].disabled = first === 0;
      pages[1].disabled = first + ON_PAGE >= shownNow.length;
    };
    const show = () => {
      const wanted = words(search.value).split(/\s+/).filter(Boolean), sign = by.value[0] === "-" ? -1 : 1;
      const column = data.numbers[by.value.slice(1)];
      const all = data.photo_ids.map((_, at) => at).filter((at) =>
        filters.every(([of, select]) => !select.value || of.codes[at] === Number(select.value)) && wanted.every((word) =>
          words(data.photo_ids[at]).includes(word) || words(told(data.visits, at) || "").includes(word)));
      shownNow = column ? ordered(all, (at) => column[at], sign) : all;
      first = 0;
      draw();
    };
    for (const field of [search, by, ...filters.map(([, select]) => select)]) field.addEventListener("input", show);
    const turns = make("div", { class: "tools" });
    turns.append(...pages, count);
    root.replaceChildren(bar, turns, list);
    show();
  };

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
  $$("svg.chart").forEach((chart) => {
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
  });

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
  zoomable(document);
  const root = document.getElementById("all-photos"), data = document.getElementById("photos-data");
  if (root && data) new IntersectionObserver((seen, observer) => {
    if (!seen.some((one) => one.isIntersecting)) return;
    observer.disconnect();
    listAll(root, JSON.parse(data.textContent));
  }, { rootMargin: "600px" }).observe(root);
  document.body.append(dialog, tip);
  document.documentElement.classList.add("scripted");
  follow();
})();
