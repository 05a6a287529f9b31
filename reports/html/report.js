"use strict";
(() => {
  const linked = () => document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const form = document.getElementById("filter");
  if (form) {
    const rows = [...document.querySelectorAll("table.requirements tbody tr")];
    const shown = document.getElementById("shown");
    const apply = () => {
      const chosen = ["outcome", "profile", "level"].map((name) => [name, form.elements[name] ? form.elements[name].value : ""]);
      const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
      let n = 0;
      for (const row of rows) {
        const show = chosen.every(([name, value]) => !value || row.dataset[name] === value) && words.every((word) => row.dataset.search.includes(word));
        row.hidden = !show;
        n += show ? 1 : 0;
      }
      shown.textContent = n === rows.length ? "" : `${n} of ${rows.length} shown`;
    };
    form.addEventListener("input", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    // A link to a requirement that the filter hides shows it.
    addEventListener("hashchange", () => {
      const target = linked();
      if (target && target.hidden) {
        form.reset();
        apply();
        target.scrollIntoView();
      }
    });
    form.hidden = false;
    apply(); // a reloaded page may keep what was typed
  }
  // A link to a failure that is folded away unfolds it.
  const unfold = () => {
    const folded = linked()?.querySelector(":scope > details:not([open])");
    if (folded) {
      folded.open = true;
      folded.scrollIntoView();
    }
  };
  addEventListener("hashchange", unfold);
  unfold();
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
