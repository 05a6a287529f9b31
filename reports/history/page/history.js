"use strict";
(() => {
  for (const form of document.querySelectorAll("form.rows")) {
    const rows = [...document.getElementById(form.dataset.table).querySelectorAll("tbody tr")];
    const shown = form.querySelector("output");
    const apply = () => {
      const state = form.querySelector("input[type=radio]:checked").value;
      const words = form.querySelector("input[type=search]").value.toLowerCase().split(/\s+/).filter(Boolean);
      let n = 0;
      for (const row of rows) {
        const fits = !state || (state === "flaky" ? row.dataset.flaky === "true" : state === "ever" ? row.dataset.state.startsWith("fail") : row.dataset.state === state);
        row.hidden = !(fits && words.every((word) => row.dataset.search.includes(word)));
        n += row.hidden ? 0 : 1;
      }
      shown.textContent = n === rows.length ? "" : `${n} of ${rows.length} shown`;
    };
    form.addEventListener("input", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    // A link to a row that the filter hides shows it.
    const reveal = () => {
      const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
      if (target && target.hidden && rows.includes(target)) {
        form.reset();
        apply();
        target.scrollIntoView();
      }
    };
    addEventListener("hashchange", reveal);
    form.hidden = false;
    apply();
    reveal();
  }
  // The newest runs are on the right.
  for (const scroll of document.querySelectorAll(".scroll.newest")) scroll.scrollLeft = scroll.scrollWidth;
})();
