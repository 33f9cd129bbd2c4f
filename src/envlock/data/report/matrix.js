"use strict";
const filter = document.querySelector("fieldset");
if (filter) {
  const search = document.createElement("input");
  search.type = "search";
  search.placeholder = "Find a package, setting or report";
  search.setAttribute("aria-label", search.placeholder);
  search.addEventListener("input", () => {
    const wanted = search.value.toLowerCase();
    for (const row of document.querySelectorAll(".matrix tbody:not(.about) tr:not(.part)")) {
      row.hidden = !row.textContent.toLowerCase().includes(wanted);
    }
    for (const part of document.querySelectorAll(".matrix tbody:has(.part)")) {
      part.hidden = !part.querySelector("tr:not(.part):not([hidden])");
    }
  });
  filter.append(search);
}
