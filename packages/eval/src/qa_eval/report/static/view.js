(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("answers").textContent);
  const box = document.querySelector(".browse"), list = box.querySelector(".list"), pane = box.querySelector(".pane");
  const form = document.querySelector("form.browse-filters"), output = form.querySelector("output");
  const large = document.getElementById("large");
  const ROW = 52;
  const two = data.runs.length > 1;

  // Small helpers; all text goes in as text.
  const make = (name, className, ...inside) => {
    const element = document.createElement(name);
    if (className) element.className = className;
    element.append(...inside.filter((part) => part !== null && part !== undefined));
    return element;
  };
  const percent = (share) => (share === null ? "–" : `${Math.round(100 * share)}%`);
  const TONES = { right: "good", wrong: "bad", unreadable: "warn", unscored: "soft" };
  const badge = (state) => make("span", `badge t-${TONES[state]}`, state);
  const state = (answer) => {
    if (answer.score === null) return "unscored";
    if (answer.failed) return "unreadable";
    return answer.score >= 0.5 ? "right" : "wrong";
  };

  // Rows as objects. `change` tells the first run from the second one.
  const CELL = ["completion", "parsed", "score", "failed", "confidence", "reason"];
  const rows = data.rows.map((row, at) => {
    const [id, type, scene, question, options, truth, frames, facts, ...cells] = row;
    const answers = cells.map((cell) => cell && Object.fromEntries(CELL.map((name, i) => [name, cell[i]])));
    for (const answer of answers) if (answer) answer.state = state(answer);
    const [a, b] = answers;
    let change = "";
    if (two && a && b) {
      const better = (b.score ?? -1) - (a.score ?? -1);
      change = better > 0 ? "better" : better < 0 ? "worse" : a.completion !== b.completion ? "other words" : "same";
    }
    return { at, id, type, scene, question, options, truth, frames, facts, answers, change, text: null };
  });
  const textOf = (row) => {
    if (row.text === null) {
      const said = row.answers.map((answer) => (answer ? answer.completion : "")).join("\n");
      row.text = [row.id, row.scene, row.question, (row.options || []).join("\n"), row.truth, said].join("\n").toLowerCase();
    }
    return row.text;
  };

  // What is shown.
  let shown = rows, current = null;
  const CHANGES = {
    changed: (row) => row.change === "better" || row.change === "worse",
    better: (row) => row.change === "better",
    worse: (row) => row.change === "worse",
    words: (row) => row.change !== "same" && row.change !== "",
    one: (row) => row.change === "",
  };
  const ORDERS = {
    sure: (a, b) => (b.answers[0]?.confidence ?? -1) - (a.answers[0]?.confidence ?? -1),
    unsure: (a, b) => (a.answers[0]?.confidence ?? 2) - (b.answers[0]?.confidence ?? 2),
    worst: (a, b) => (a.answers[0]?.score ?? -1) - (b.answers[0]?.score ?? -1),
  };
  const apply = () => {
    const field = form.elements, search = field.search.value.trim().toLowerCase();
    const type = field.type.value, answer = field.answer.value, change = two ? field.change.value : "";
    shown = rows.filter((row) => (!type || `=${row.type}` === type)
      && (!answer || (row.answers[0] ? row.answers[0].state : "unscored") === answer)
      && (!change || CHANGES[change](row))
      && (!search || textOf(row).includes(search)));
    const order = ORDERS[field.order.value];
    if (order) shown.sort(order);
    output.textContent = shown.length === rows.length ? `${rows.length} shown` : `${shown.length} of ${rows.length} shown`;
    space.style.height = `${shown.length * ROW}px`;
    list.scrollTop = 0;
    if (!shown.includes(current)) select(shown[0] || null, { follow: false });
    else { detail(current); keepInView(); }
    draw();
  };

  // A list of which only the rows in sight exist.
  const space = make("div", "space");
  list.append(space);
  let drawn = [];
  const draw = () => {
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 4);
    const last = Math.min(shown.length, first + Math.ceil(list.clientHeight / ROW) + 9);
    const wanted = shown.slice(first, last);
    while (drawn.length < wanted.length) {
      const one = make("div", "row");
      one.setAttribute("role", "option");
      space.append(one);
      drawn.push(one);
    }
    drawn.forEach((one, i) => {
      const row = wanted[i];
      one.hidden = !row;
      if (!row) return;
      one.style.top = `${(first + i) * ROW}px`;
      one.id = `row-${row.at}`;
      one.dataset.at = row.at;
      one.setAttribute("aria-selected", row === current ? "true" : "false");
      const marks = make("span", "marks");
      row.answers.forEach((answer) => marks.append(answer ? badge(answer.state) : make("span", "badge t-soft", "absent")));
      const said = row.answers.map((answer) => (answer && (answer.parsed ?? answer.completion)) || "–").join(" → ");
      one.replaceChildren(
        make("div", "line", marks, make("span", "what", row.type), make("span", "pair", `${said} / ${row.truth}`)),
        make("div", "line ask", row.question),
      );
    });
  };
  const keepInView = () => {
    const i = shown.indexOf(current);
    if (i < 0) return;
    if (i * ROW < list.scrollTop) list.scrollTop = i * ROW;
    else if ((i + 1) * ROW > list.scrollTop + list.clientHeight) list.scrollTop = (i + 1) * ROW - list.clientHeight;
  };

  // One question in full.
  const fact = (into, name, value) => {
    if (value === null || value === undefined || value === "") return;
    into.append(make("dt", "", name), make("dd", "", String(value)));
  };
  const optionsOf = (row) => {
    if (!row.options || !row.options.length) return null;
    const chosen = (answer) => answer && answer.parsed && answer.parsed.toUpperCase();
    return make("ul", "options", ...row.options.map((option) => {
      const letter = (/^\s*\(?([A-Za-z])[.):\s]/.exec(option) || [])[1]?.toUpperCase();
      const item = make("li", letter && letter === row.truth.toUpperCase() ? "truth" : "", option);
      row.answers.forEach((answer, i) => {
        if (letter && chosen(answer) === letter) item.append(make("small", "", ` ${data.runs[i].name}`));
      });
      return item;
    }));
  };
  const framesOf = (row) => {
    const set = row.frames === null ? null : data.frames[row.frames];
    if (!set) return null;
    if (!set.paths.length) return make("p", "note", `Shown were frames ${set.names.join(", ")}; their files are not here.`);
    const strip = make("div", "strip small");
    set.paths.forEach((path, i) => {
      const name = set.names[i] ?? `frame ${i + 1}`;
      const image = make("img");
      Object.assign(image, { src: path, alt: `frame ${name} of ${row.scene}`, loading: "lazy" });
      const button = make("button", "enlarge", image);
      button.type = "button";
      button.addEventListener("click", () => {
        large.querySelector(".sheet").replaceChildren(image.cloneNode());
        large.querySelector("p").textContent = image.alt;
        large.showModal();
      });
      image.addEventListener("error", () => button.replaceChildren(make("span", "gone", "no image")));
      strip.append(make("figure", "image", make("div", "shot", button), make("figcaption", "", name)));
    });
    return strip;
  };
  const answerOf = (answer, run) => {
    const block = make("section", "answer", make("h3", "", run.name));
    if (!answer) { block.append(make("p", "note", "This run does not have the question.")); return block; }
    block.querySelector("h3").append(" ", badge(answer.state));
    block.append(make("pre", "", answer.completion === null ? "(no answer)" : answer.completion || "(empty)"));
    const facts = make("dl", "facts");
    fact(facts, "read as", answer.parsed ?? "nothing");
    fact(facts, "score", answer.score === null ? null : String(Math.round(1000 * answer.score) / 1000));
    fact(facts, "confidence", answer.confidence === null ? null : percent(answer.confidence));
    fact(facts, "no score because", answer.reason);
    block.append(facts);
    return block;
  };
  const detail = (row) => {
    if (!row) { pane.replaceChildren(make("p", "note", "No question passes the filters.")); return; }
    const about = make("dl", "facts");
    fact(about, "truth", row.truth);
    const why = row.facts === null ? [] : data.facts[row.facts];
    const explained = make("details", "", make("summary", "", "Explanation of the engine"), make("dl", "facts"));
    explained.open = true;
    why.forEach(([name, value]) => fact(explained.lastChild, name, value));
    if (data.explain) {
      const id = /^[\w.-]+$/.test(row.id) ? row.id : `'${row.id.replaceAll("'", "'\\''")}'`;
      explained.append(make("p", "note", "A drawing of it:"), make("pre", "", `${data.explain} --id ${id} --out explained.html`));
    }
    const at = shown.indexOf(row);
    const go = (text, by) => {
      const button = make("button", "", text);
      button.type = "button";
      button.disabled = at + by < 0 || at + by >= shown.length;
      button.addEventListener("click", () => { step(by); pane.querySelector(`.steps button:${by < 0 ? "first" : "last"}-child`).focus(); });
      return button;
    };
    pane.replaceChildren(
      make("nav", "steps", go("‹ previous", -1), make("small", "", `${at + 1} of ${shown.length}`), go("next ›", 1)),
      make("header", "", make("b", "", row.type), make("small", "", `  ${row.scene}  ·  ${row.id}`)),
      ...[make("p", "", row.question), optionsOf(row), about, framesOf(row)].filter((part) => part),
      make("div", "answers", ...row.answers.map((answer, i) => answerOf(answer, data.runs[i]))),
      ...(why.length ? [explained] : []),
    );
  };
  function select(row, { follow = true } = {}) {
    current = row;
    list.setAttribute("aria-activedescendant", row ? `row-${row.at}` : "");
    detail(row);
    try { history.replaceState(null, "", row ? `#q=${encodeURIComponent(row.id)}` : "#"); } catch { /* a sealed page */ }
    if (follow) keepInView();
    draw();
  }
  const step = (by) => {
    if (!shown.length) return;
    const i = shown.indexOf(current);
    select(shown[Math.min(Math.max(i + by, 0), shown.length - 1)]);
  };

  // Pointer and keys.
  list.addEventListener("scroll", draw, { passive: true });
  addEventListener("resize", draw);
  list.addEventListener("click", (event) => {
    const one = event.target.closest(".row");
    if (!one) return;
    select(rows[Number(one.dataset.at)]);
    if (getComputedStyle(box).gridTemplateColumns.split(" ").length === 1) pane.scrollIntoView({ block: "start" });
  });
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  const STEPS = { j: 1, k: -1, ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || large.open) return;
    const typing = event.target.matches("input, select, textarea");
    if (event.key === "/" && !typing) { event.preventDefault(); form.elements.search.focus(); return; }
    const by = STEPS[event.key];
    if (!by || typing) return;
    // Arrows scroll the page unless the list has the focus.
    if (event.key.length > 1 && document.activeElement !== list) return;
    event.preventDefault();
    step(by);
  });

  form.hidden = false;
  box.hidden = false;
  const asked = decodeURIComponent((/^#q=(.*)$/.exec(location.hash) || [])[1] || "");
  current = rows.find((row) => row.id === asked) || null;
  apply();
})();
