/* All photos: one page of them at a time; a sheet of thumbnails is decoded when one of its photos is shown. */
const ON_PAGE = 120;
const asScore = (value) => {
  const [digits, power] = value.toExponential(2).split("e");
  const sign = value < 0 ? "\u2212" : "+", raised = [...String(Number(power))].map((one) => one === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[one]).join("");
  if (value === 0 || Math.abs(Number(power)) <= 2) return sign + Math.abs(value).toFixed(3);
  return sign + digits.replace("-", "") + "×10" + raised;
};
const FORMATS = { score: asScore, attention: (value) => (100 * value).toFixed(1) + "\u202f%", loss: (value) => value.toFixed(2) };
/* Cards of photos by their place in the list, and that place by name; made once, when they are first asked for. */
const albumOf = (data) => {
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
  return { data, columns, numbers, told, item, at: new Map(data.photo_ids.map((name, at) => [name, at])) };
};
let opened_album = null;
const album = () => {
  const data = document.getElementById("photos-data");
  if (data && !opened_album) opened_album = albumOf(JSON.parse(data.textContent));
  return opened_album;
};
const listAll = (root) => {
  const { data, columns, numbers, told, item } = album();
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
