/* The page's own script: sorts, searches and filters, enlarges photos, reads values off charts, follows links into what is
   folded. It loads nothing, keeps nothing and sends nothing; without it everything is there, in the order of the file. */
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
