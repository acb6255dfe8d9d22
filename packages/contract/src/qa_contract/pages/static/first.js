(() => {
  "use strict";
  // Before the first paint, so that the page does not flash. Storage may be refused.
  try {
    const theme = localStorage.getItem("qa-pages-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch { /* the choice is not remembered */ }
  document.documentElement.classList.add("scripted");
})();
