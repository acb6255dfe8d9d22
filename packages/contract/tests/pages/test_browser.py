"""The page in a real browser: pointer, keys, phone, dark, print, without scripts."""

import pytest
from qa_contract import pages as kit

SHOWN = "!document.getElementById('tip').hidden && document.getElementById('tip').textContent"
CHOOSE = """(() => {{
  const select = document.querySelector('{}'), start = performance.now();
  select.value = '{}';
  select.dispatchEvent(new Event('input', {{bubbles: true}}));
  document.body.offsetHeight;
  return performance.now() - start;
}})()"""
ACTIVE = "document.activeElement"


def column(page, index):
    return page.js(
        f"[...document.querySelectorAll('#score-table tbody tr')].map(r => r.cells[{index}].innerText.split('\\n')[0])"
    )


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1400, 768, 390])
def test_opens_without_errors_and_fits_the_window(open_page, sample, width, dark):
    page = open_page(sample, width=width, dark=dark)
    page.check()
    ground = page.js("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(20, 23, 26)" if dark else "rgb(255, 255, 255)")


def test_text_from_outside_did_not_run_and_images_with_odd_names_load(open_page, sample):
    page = open_page(sample)
    page.js("Promise.all([...document.images].map(i => { i.loading = 'eager'; return i.decode().catch(() => null); }))")
    assert page.js("[...document.images].every(i => i.naturalWidth === 640)")
    assert page.js("document.images.length") > 20
    assert page.js("JSON.parse(document.getElementById('answers').textContent).name").endswith("</script>")
    page.check()


def test_the_policy_stops_what_slips_in(open_page, tmp_path):
    part = kit.Fragment(
        "<script>document.title = 'ran'</script><img src=x onerror=\"document.title = 'ran'\">"
        "<b style='color:red'>b</b>"
    )
    (tmp_path / "p.html").write_text(kit.Page("still", [kit.Section("s", [part])]).html(), encoding="utf-8")
    page = open_page(tmp_path / "p.html")
    assert page.js("document.title") == "still"
    assert page.js("getComputedStyle(document.querySelector('b')).color") != "rgb(255, 0, 0)"
    with pytest.raises(AssertionError, match="Content Security Policy"):
        page.check()
    assert "failed" in page.js("fetch('https://example.org').then(() => 'loaded', () => 'failed')")


def test_tables_sort_by_click_and_key_with_missing_values_last(open_page, sample):
    page = open_page(sample)
    page.click("#score-table th:nth-child(2) button")
    assert page.js("document.querySelector('#score-table th:nth-child(2)').ariaSort") == "descending"
    numbers = [int(text.replace(",", "")) for text in column(page, 1)]
    assert numbers == sorted(numbers, reverse=True)
    page.press("Enter")
    assert [int(text.replace(",", "")) for text in column(page, 1)] == numbers[::-1]
    for _ in range(2):
        page.click("#score-table th:nth-child(4) button")
        assert column(page, 3)[-1] == "–"
    assert page.js("document.querySelector('#score-table tfoot th').textContent") == "overall"
    page.check()


def test_marks_tell_their_numbers_on_hover_tap_and_focus(open_page, sample):
    page = open_page(sample)
    mark = "svg.chart circle.mark"
    page.hover(mark)
    assert page.js(SHOWN) == "model: 31% (27% to 35%) at round 0"
    assert page.js(f"document.querySelector('{mark}').querySelector('title') === null")
    page.press("Escape")
    assert not page.js(SHOWN)
    page.js("document.querySelector('svg.chart .mark').focus()")
    first = page.js(SHOWN)
    assert first
    page.press("ArrowRight")
    assert page.js(SHOWN)
    assert page.js(SHOWN) != first
    assert page.js(f"{ACTIVE}.getAttribute('aria-label')") == page.js(SHOWN)
    phone = open_page(sample, width=390)
    phone.tap(mark)
    assert phone.js(SHOWN) == "model: 31% (27% to 35%) at round 0"
    box = phone.js("(b => [b.left, b.right])(document.getElementById('tip').getBoundingClientRect())")
    assert box[0] >= 0
    assert box[1] <= 390


def test_a_point_of_a_long_line_shows_up_under_the_pointer(open_page, sample):
    page = open_page(sample)
    steps = "[...document.querySelectorAll('figcaption')].find(c => c.textContent === '50,000 steps')"
    ghost = f"{steps}.parentNode.querySelector('.ghost')"
    assert page.js(f"getComputedStyle({ghost}).opacity") == "0"
    page.js(f"{ghost}.id = 'ghost'")
    page.hover("#ghost")
    assert page.js(SHOWN).startswith("loss: ")
    assert page.js(f"getComputedStyle({ghost}).opacity") == "1"


def test_objects_of_a_row_light_up_in_plan_and_frames(open_page, sample):
    page = open_page(sample)
    lit = "[...new Set([...document.querySelectorAll('.object.on')].map(o => o.dataset.id))].sort()"
    page.hover("tr[data-ids]")
    assert page.js(lit) == ["2", "5"]
    assert page.js("document.querySelectorAll('svg.overlay.dim').length") > 0
    page.hover("h1")
    assert page.js(lit) == []
    page.hover("svg.plan polygon.object")
    assert " m" in page.js(SHOWN)
    assert len(page.js(lit)) == 1


def test_cards_are_filtered_searched_and_walked(open_page, sample):
    page = open_page(sample)
    shown = "[...document.querySelectorAll('.card')].filter(c => !c.hidden).length"
    page.js(CHOOSE.format("select[name=result]", "=wrong"))
    assert page.js(shown) == 4
    assert page.js("document.querySelector('.filters output').textContent") == "4 of 12 shown"
    page.click("input[name=search]")
    page.type("question 3")
    assert page.js(shown) == 1
    page.press("Escape")
    assert page.js(shown) == 12
    page.js(f"{ACTIVE}.blur(); scrollTo(0, 0)")
    place = f"[...document.querySelectorAll('.card')].indexOf({ACTIVE})"
    walked = []
    for key in "jjk":
        page.press(key)
        walked.append(page.js(place))
    assert walked == [0, 1, 0]
    assert page.js(f"{ACTIVE}.getBoundingClientRect().top < innerHeight")
    page.press("Escape")
    assert page.js(place) == -1
    page.check()


def test_letters_typed_into_the_search_move_nothing(open_page, sample):
    page = open_page(sample)
    page.click("input[name=search]")
    page.press("j", "t")
    assert page.js(f"{ACTIVE}.name") == "search"
    assert page.js("document.documentElement.dataset.theme") is None


def test_the_choice_of_light_or_dark_is_remembered(open_page, sample):
    page = open_page(sample)
    page.click("button.theme")
    assert page.js("document.documentElement.dataset.theme") == "dark"
    page.goto(sample.parent / "index.html")
    assert page.js("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
    page.press("t")
    assert page.js("document.documentElement.dataset.theme") == "light"
    page.check()


def test_the_keyboard_reaches_content_and_sees_where_it_is(open_page, sample):
    page = open_page(sample)
    page.press("Tab")
    assert page.js(f"{ACTIVE}.className") == "skip"
    assert page.js(f"{ACTIVE}.getBoundingClientRect().left") >= 0
    page.press("Enter")
    assert page.js(f"{ACTIVE}.id") == "content"
    page.press("Tab")
    assert page.js(f"getComputedStyle({ACTIVE}).outlineStyle") == "solid"


def test_a_frame_opens_large_with_its_outlines(open_page, sample):
    page = open_page(sample)
    page.click("button.enlarge")
    assert page.js("document.querySelector('dialog').open")
    assert page.js("document.querySelectorAll('dialog svg .object').length") == 4
    size = "(b => [b.width, b.height])(document.querySelector('dialog {}').getBoundingClientRect())"
    assert page.js(size.format("svg")) == pytest.approx(page.js(size.format("img")), abs=1)
    page.press("Escape")
    assert not page.js("document.querySelector('dialog').open")
    page.check()


def test_links_lead_to_the_other_page_and_back(open_page, sample):
    page = open_page(sample)
    page.follow("nav.pages a")
    assert page.js("document.title") == "All scenes"
    page.follow(".tiles a")
    assert page.js("document.title").startswith("Every component")
    page.check()


def test_without_scripts_everything_is_there(open_page, sample):
    page = open_page(sample, scripts=False)
    page._call("Emulation.setScriptExecutionDisabled", value=False)
    assert page.js("document.querySelector('svg.chart .mark title').textContent")
    assert page.js("document.querySelectorAll('.card').length") == 12
    assert page.js("document.querySelector('form.filters').hidden")
    assert page.js("document.querySelector('button.theme').hidden")
    assert page.js("getComputedStyle(document.querySelector('.keys')).display") == "none"


def test_a_dark_page_prints_on_white(open_page, sample):
    page = open_page(sample, dark=True)
    page._call(
        "Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}]
    )
    assert page.js("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.js("getComputedStyle(document.querySelector('button.theme')).display") == "none"


def test_thousands_of_cards_open_and_filter_quickly(open_page, tmp_path):
    cards = [
        kit.Card(
            f"type {i % 8}",
            [f"question {i}?", kit.Facts([("truth", str(i))])],
            "right",
            "good",
            tags={"type": f"t{i % 8}"},
        )
        for i in range(5000)
    ]
    path = tmp_path / "many.html"
    path.write_text(
        kit.Page("many", [kit.Section("s", [kit.Cards(cards, ("type",), search=True)])]).html(), encoding="utf-8"
    )
    page = open_page(path)
    took = page.js(CHOOSE.format("select", "=t3"))
    assert page.js("document.querySelector('.filters output').textContent") == "625 of 5000 shown"
    assert took < 1500
    page.check()
