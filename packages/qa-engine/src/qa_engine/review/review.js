(() => {
  "use strict";
  const items = JSON.parse(document.getElementById("review-items").textContent);
  const cards = [...document.querySelectorAll(".review")];
  const bar = document.getElementById("review-bar");
  const told = document.getElementById("review-told");
  const key = (one) => JSON.stringify([one.scene_name, one.kind, one.item]);
  const places = new Map(items.map((one, i) => [key(one), i]));
  const verdicts = new Array(items.length).fill(null);
  let at = 0;

  function show(i) {
    at = Math.max(0, Math.min(items.length - 1, i));
    cards.forEach((card, k) => { card.hidden = k !== at; });
    const done = verdicts.filter(Boolean).length;
    bar.textContent = `${at + 1} of ${items.length}, ${done} decided`;
    cards[at].querySelector("h3").focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }

  function next(from = at + 1) {
    for (let k = 0; k < items.length; k++) {
      const i = (from + k) % items.length;
      if (!verdicts[i]) { show(i); return; }
    }
    show(at);
    told.textContent = "All are decided. Close the page, and stop the command with Ctrl-C.";
  }

  function mark(rows) {
    verdicts.fill(null);
    for (const row of rows) {
      const i = places.get(key(row));
      if (i !== undefined) verdicts[i] = row.verdict;
    }
    cards.forEach((card, i) => {
      card.dataset.verdict = verdicts[i] || "";
      card.querySelector(".verdict").textContent = verdicts[i] ? { accept: "accepted", reject: "rejected", fix: "corrected" }[verdicts[i]] : "";
    });
  }

  async function send(verdict) {
    const card = cards[at], one = items[at];
    const said = { scene_name: one.scene_name, kind: one.kind, item: one.item, verdict };
    const note = card.querySelector("[name=note]").value.trim();
    if (note) said.note = note;
    if (verdict === "fix") {
      const changed = (name) => card.querySelector(`[name=${name}]`).value !== card.querySelector(`[name=${name}]`).defaultValue;
      const number = (name) => Number(card.querySelector(`[name=${name}]`).value);
      if (changed("category")) said.category = card.querySelector("[name=category]").value;
      for (const name of ["center", "size"]) {
        const parts = ["x", "y", "z"].map((axis) => `${name}_${axis}`);
        if (parts.some(changed)) said[name] = parts.map(number);
      }
      if (changed("yaw_deg")) said.yaw_deg = number("yaw_deg");
    }
    told.textContent = "";
    try {
      const answer = await fetch("reviews.json", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(said) });
      const found = await answer.json();
      if (!answer.ok) { told.textContent = found.error; return; }
      mark(found);
      if (verdict) next(); else show(at);
    } catch (error) {
      told.textContent = "Not stored: the command 'qa-engine review' does not run any more.";
    }
  }

  const actions = {
    a: () => send("accept"),
    r: () => send("reject"),
    f: () => cards[at].querySelector("[name=category]")?.focus(),
    u: () => send(null),
    n: () => next(),
    j: () => show(at + 1),
    k: () => show(at - 1),
    ArrowRight: () => show(at + 1),
    ArrowLeft: () => show(at - 1),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select")) {
      if (event.key === "Escape") cards[at].querySelector("h3").focus();
      return;
    }
    const act = actions[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  for (const card of cards) {
    card.addEventListener("submit", (event) => { event.preventDefault(); send("fix"); });
    for (const button of card.querySelectorAll("button[data-do]")) button.addEventListener("click", () => actions[button.dataset.do]());
  }
  fetch("reviews.json").then((answer) => answer.json()).then((rows) => { mark(rows); next(0); }).catch(() => show(0));
  if (items.length) show(0);
})();
