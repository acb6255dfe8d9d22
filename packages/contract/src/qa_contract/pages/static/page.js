(() => {
  "use strict";
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const root = document.documentElement;

  // Light and dark.
  const toggle = document.querySelector("button.theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const named = () => { toggle.textContent = isDark() ? "Light" : "Dark"; toggle.title = `Switch to ${isDark() ? "light" : "dark"} (t)`; };
  const switchTheme = () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("qa-pages-theme", root.dataset.theme); } catch { /* not remembered */ }
    named();
  };
  toggle.hidden = false;
  toggle.addEventListener("click", switchTheme);
  system.addEventListener("change", named);
  named();

  // Hover, tap or focus on a mark shows its numbers; what is near the pointer counts.
  const tip = document.getElementById("tip");
  const NEAR = 18;
  let shown = null;
  const textOf = (mark) => {
    // The browser's own hover text would stand beside ours.
    const title = mark.querySelector("title");
    if (title) { mark.setAttribute("aria-label", title.textContent); title.remove(); }
    return mark.getAttribute("aria-label");
  };
  const hide = () => {
    if (shown) shown.classList.remove("near");
    shown = null;
    tip.hidden = true;
    light(null);
  };
  const show = (mark) => {
    if (shown === mark) return;
    hide();
    shown = mark;
    mark.classList.add("near");
    tip.textContent = textOf(mark);
    tip.hidden = false;
    const at = mark.getBoundingClientRect(), size = tip.getBoundingClientRect();
    const x = Math.min(Math.max(at.left + at.width / 2 - size.width / 2, 6), innerWidth - size.width - 6);
    const above = at.top - size.height - 8;
    tip.style.left = `${x}px`;
    tip.style.top = `${above > 4 ? above : Math.min(at.bottom + 8, innerHeight - size.height - 4)}px`;
    if (mark.dataset.id) light([mark.dataset.id], around(mark));
  };
  const nearest = (svg, event) => {
    const own = event.target.closest(".mark");
    if (own && own.localName !== "polyline") return own;
    // A marker on a line, or close to one, goes before the line.
    let best = own, least = own ? NEAR / 2 : NEAR;
    for (const mark of all(".mark", svg)) {
      if (mark.classList.contains("object") || (own && mark.localName === "polyline")) continue;
      const box = mark.getBoundingClientRect();
      const distance = Math.hypot(
        Math.max(box.left - event.clientX, 0, event.clientX - box.right),
        Math.max(box.top - event.clientY, 0, event.clientY - box.bottom));
      if (distance < least) { least = distance; best = mark; }
    }
    return best;
  };
  for (const svg of all("svg.chart, svg.plan, svg.overlay")) {
    const onPointer = (event) => { const mark = nearest(svg, event); if (mark) show(mark); else hide(); };
    svg.addEventListener("pointermove", onPointer);
    svg.addEventListener("pointerdown", onPointer);
    svg.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hide(); });
    // One stop for Tab; the arrow keys go along the marks.
    const first = svg.querySelector(".mark");
    if (!first) continue;
    first.setAttribute("tabindex", "0");
    // A finger focuses what is near it, which may be another mark than the one that is meant.
    svg.addEventListener("focusin", (event) => { if (event.target.matches(".mark:focus-visible")) show(event.target); });
    svg.addEventListener("focusout", hide);
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const marks = all(".mark", svg), i = marks.indexOf(document.activeElement);
      if (i < 0 || !step) return;
      event.preventDefault();
      const next = marks[(i + step + marks.length) % marks.length];
      if (!next.hasAttribute("tabindex")) next.setAttribute("tabindex", "-1");
      next.focus();
    });
  }
  addEventListener("scroll", () => { if (shown && document.activeElement !== shown) hide(); }, { passive: true });

  // Objects of a row, a card or a mark light up wherever they are drawn: in the same card, or on the page where the card
  // has no drawing of its own.
  const around = (element) => {
    const card = element.closest(".card");
    return card && card.querySelector("svg.plan, svg.overlay") ? card : document;
  };
  let lit = [];
  function light(ids, where = document) {
    for (const drawing of lit) {
      drawing.classList.remove("dim");
      for (const object of all(".object.on", drawing)) object.classList.remove("on");
    }
    lit = [];
    if (!ids) return;
    const wanted = new Set(ids);
    for (const drawing of all("svg.plan, svg.overlay", where)) {
      const objects = all(".object", drawing).filter((object) => wanted.has(object.dataset.id));
      if (!objects.length) continue;
      drawing.classList.add("dim");
      for (const object of objects) object.classList.add("on");
      lit.push(drawing);
    }
  }
  for (const row of all("[data-ids]")) {
    const on = () => light(row.dataset.ids.split(" "), around(row));
    row.addEventListener("mouseenter", on);
    row.addEventListener("focus", on);
    row.addEventListener("mouseleave", () => light(null));
    row.addEventListener("blur", () => light(null));
  }

  // Tables.
  const order = new Intl.Collator(undefined, { numeric: true });
  for (const button of all("table.sortable thead button")) {
    button.addEventListener("click", () => {
      const head = button.closest("th"), table = head.closest("table"), body = table.tBodies[0];
      const column = head.cellIndex, numbers = head.classList.contains("number");
      const before = head.getAttribute("aria-sort");
      const up = before ? before === "descending" : !numbers;
      const key = (row) => {
        const cell = row.cells[column];
        if (cell.dataset.v === undefined) return cell.textContent;
        return cell.dataset.v === "" ? null : Number(cell.dataset.v);
      };
      const compare = (a, b) => {
        if (a === null || b === null) return (a === null) - (b === null);
        const difference = typeof a === "number" && typeof b === "number" ? a - b : order.compare(String(a), String(b));
        return up ? difference : -difference;
      };
      body.append(...Array.from(body.rows).map((row) => [key(row), row]).sort((a, b) => compare(a[0], b[0])).map((p) => p[1]));
      for (const other of all("th", table.tHead)) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
    });
  }

  // Cards.
  for (const box of all(".cards-box")) {
    const form = box.querySelector("form.filters");
    if (!form) continue;
    const cards = all(".card", box).map((card) => ({ card, tags: JSON.parse(card.dataset.tags), text: null }));
    const output = form.querySelector("output");
    const apply = () => {
      const wanted = all("select", form).filter((s) => s.value).map((s) => [s.name, s.value.slice(1)]);
      const search = form.elements.search ? form.elements.search.value.trim().toLowerCase() : "";
      let n = 0;
      for (const one of cards) {
        if (search && one.text === null) one.text = one.card.textContent.toLowerCase();
        const keep = wanted.every(([name, value]) => (one.tags[name] || "") === value)
          && (!search || one.text.includes(search));
        one.card.hidden = !keep;
        n += keep;
      }
      output.textContent = n === cards.length ? `${n} shown` : `${n} of ${cards.length} shown`;
    };
    form.hidden = false;
    form.addEventListener("input", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    apply();
  }
  const clear = (form) => { form.reset(); form.dispatchEvent(new Event("input")); };
  const step = (by) => {
    const cards = all(".card").filter((card) => !card.hidden && card.offsetParent);
    if (!cards.length) return;
    const now = document.activeElement && document.activeElement.closest(".card");
    let i = cards.indexOf(now);
    if (i < 0) {
      // From where the reader is, not from the top of the page.
      const below = cards.findIndex((card) => card.getBoundingClientRect().bottom > 80);
      i = below < 0 ? (by > 0 ? cards.length - 1 : cards.length) : by > 0 ? below - 1 : below;
    }
    const next = cards[Math.min(Math.max(i + by, 0), cards.length - 1)];
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  };

  // Images open large.
  const large = document.getElementById("large");
  for (const button of all("button.enlarge")) {
    button.addEventListener("click", () => {
      const shot = button.closest(".shot"), caption = shot.parentNode.querySelector("figcaption");
      const sheet = large.querySelector(".sheet"), image = button.querySelector("img").cloneNode();
      const overlay = shot.querySelector("svg");
      image.loading = "eager";
      sheet.replaceChildren(image, ...(overlay ? [overlay.cloneNode(true)] : []));
      large.querySelector("p").textContent = caption ? caption.textContent : image.alt;
      large.showModal();
    });
  }
  large.querySelector("button.close").addEventListener("click", () => large.close());
  large.addEventListener("click", (event) => { if (event.target === large) large.close(); });

  // Keys.
  addEventListener("keydown", (event) => {
    const target = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey || large.open) return;
    if (event.key === "Escape") {
      hide();
      if (target.form && target.form.classList.contains("filters")) clear(target.form);
      else if (document.activeElement) document.activeElement.blur();
      return;
    }
    if (target.matches("input, select, textarea")) return;
    if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "t") switchTheme();
  });

  // The section that is read, in the list of sections.
  const links = new Map(all(".toc a").map((a) => [decodeURIComponent(a.hash.slice(1)), a]));
  if (links.size) {
    const seen = new Set();
    const watch = new IntersectionObserver((entries) => {
      for (const entry of entries) seen[entry.isIntersecting ? "add" : "delete"](entry.target.id);
      const first = [...links.keys()].find((id) => seen.has(id));
      for (const [id, a] of links) {
        if (id === first) a.setAttribute("aria-current", "true"); else a.removeAttribute("aria-current");
      }
    }, { rootMargin: "-10% 0px -70% 0px" });
    all("main > section").forEach((section) => watch.observe(section));
  }
  // A link to something inside closed details opens them.
  const reveal = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let box = target && target.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
    if (target && target.closest("details")) target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();
})();
