"use strict";
(() => {
  const form = document.getElementById("filter");
  if (form) {
    const rows = [...document.querySelectorAll("table.requirements tbody tr")];
    const shown = document.getElementById("shown");
    const apply = () => {
      const outcome = form.elements.outcome.value;
      const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
      let n = 0;
      for (const row of rows) {
        const show = (!outcome || row.dataset.outcome === outcome) && words.every((word) => row.dataset.search.includes(word));
        row.hidden = !show;
        n += show ? 1 : 0;
      }
      shown.textContent = n === rows.length ? "" : `${n} of ${rows.length} shown`;
    };
    form.addEventListener("input", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    // A link to a requirement that the filter hides shows it.
    addEventListener("hashchange", () => {
      const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
      if (target && target.hidden) {
        form.reset();
        apply();
        target.scrollIntoView();
      }
    });
    form.hidden = false;
    apply(); // a reloaded page may keep what was typed
  }
  // Paper has no buttons: print what is folded away, then fold it again.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const details of opened) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of opened) details.open = false;
    opened = [];
  });
})();
