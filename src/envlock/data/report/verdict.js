"use strict";
const filter = document.querySelector("fieldset");
if (filter) {
  const search = document.createElement("input");
  search.type = "search";
  search.placeholder = "Find a package, file or rule";
  search.setAttribute("aria-label", search.placeholder);
  search.addEventListener("input", () => {
    const wanted = search.value.toLowerCase();
    const holds = (element) => element.textContent.toLowerCase().includes(wanted);
    for (const card of document.querySelectorAll("article")) {
      const rows = [...card.querySelectorAll("tbody tr")];
      const whole = holds(card.querySelector("h3"));
      for (const row of rows) row.hidden = !whole && !holds(row);
      card.hidden = !whole && (rows.length ? rows.every((row) => row.hidden) : !holds(card));
    }
    for (const section of document.querySelectorAll("section:has(article)")) {
      section.hidden = !section.querySelector("article:not([hidden])");
    }
  });
  filter.append(search);
}
