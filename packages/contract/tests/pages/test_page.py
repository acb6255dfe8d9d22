"""Pages: text stays text, the policy fits, the same page is the same bytes."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import jinja2
import pytest
from qa_contract import pages as kit
from qa_contract.pages.links import json_text
from qa_contract.pages.palette import SERIES, TONES
from sample_page import NASTY, sample_page


class Elements(HTMLParser):
    """Elements of a page in order: (name, attributes, text)."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append([tag, dict(attrs), ""])

        self.open = tag

    def handle_endtag(self, tag):
        self.open = ""

    def handle_data(self, data):
        if self.open:
            self.found[-1][2] += data


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    return sample_page(tmp_path_factory.mktemp("page")).html()


def test_the_same_page_is_the_same_text(tmp_path):
    assert sample_page(tmp_path).html() == sample_page(tmp_path).html()


def test_names_from_outside_never_become_elements(html):
    assert "alert(1)</script>" not in html
    assert "<b>&lt;" not in html.split("By hand")[0]
    assert "By hand: <b>a b&amp;c&lt;script&gt;" in html


def check_policy(html):
    """Give the policy of a page, which holds the hash of each of its styles and scripts."""
    elements = Elements(html).found
    policy = next(a["content"] for _, a, _ in elements if "http-equiv" in a)
    texts = [text for tag, a, text in elements if tag == "style" or (tag == "script" and "type" not in a)]
    assert len(texts) == 3
    for text in texts:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in policy
    return policy


def test_the_policy_allows_what_the_page_holds_and_nothing_else(html):
    policy = check_policy(html)
    assert "default-src 'none'" in policy
    assert "connect-src 'none'" in policy
    assert "unsafe" not in policy


def test_nothing_is_loaded_from_elsewhere_and_nothing_is_styled_or_run_in_attributes(html):
    for tag, attributes, _ in Elements(html).found:
        assert "style" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href"):
            address = attributes.get(name) or ""
            assert not re.match(r"[a-z]+:", address) or address.startswith("data:"), address


def test_ids_are_unique_and_links_inside_the_page_lead_somewhere(html):
    elements = Elements(html).found
    ids = [a["id"] for _, a, _ in elements if "id" in a]
    assert len(ids) == len(set(ids))
    inner = [a["href"][1:] for t, a, _ in elements if t == "a" and a.get("href", "").startswith("#")]
    assert inner
    assert set(inner) <= set(ids)


def test_islands_of_data_come_back_as_they_were(html):
    island = next(text for tag, a, text in Elements(html).found if a.get("type") == "application/json")
    assert json.loads(island) == {"name": NASTY, "n": 3}
    assert "<" not in json_text("</script><!--\u2028")
    with pytest.raises(ValueError, match="JSON"):
        json_text(float("nan"))


def test_letters_that_utf8_does_not_have_do_not_stop_a_page():
    page = kit.Page("name \udcff\0", [kit.Section("s", ["\ud800"])])
    assert "name ?\ufffd" in page.html()
    assert kit.href("a\udcff.png") == "a%FF.png"


def test_a_script_that_could_end_its_element_is_refused():
    with pytest.raises(ValueError, match="'</'"):
        kit.Page("p", [], scripts=["'</script>'"]).html()


def test_scripts_and_styles_of_a_page_are_in_its_policy():
    html = kit.Page("p", [], scripts=["1 + 1;\r\n2"], styles=["b { color: red }"], connects=True).html()
    assert "connect-src 'self'" in check_policy(html)


def test_a_template_that_names_what_is_not_there_fails():
    with pytest.raises(jinja2.UndefinedError, match="nothing"):
        kit.Fragment("{{ nothing }}").html()


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="3 cells for 2 columns"):
        kit.Table(["a", "b"], [[1, 2, 3]], caption="scores").html()


def test_cells_sort_by_their_value_and_missing_ones_are_dashes():
    html = kit.Table(["a", "b"], [["x", kit.percent_cell(0.25, 0.2, 0.3)], ["y", None], ["z", float("nan")]]).html()
    assert 'data-v="0.25"' in html
    assert "<small>20.0 to 30.0</small>" in html
    assert html.count('data-v=""') == 2
    assert html.count("–") == 2


def test_markdown_holds_tables_texts_and_no_markup_from_outside(tmp_path):
    text = kit.to_markdown(sample_page(tmp_path))
    assert "# Every component: a b&c\\<script\\>" in text
    assert "| object\\_counting |" in text
    assert "> 12 of 5,130 questions" in text
    assert not re.search(r"(?<!\\)<", text)


@pytest.mark.parametrize("side", [0, 1])
def test_colours_stand_out_against_the_page(side):
    def luminance(code):
        parts = [int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(a, b):
        low, high = sorted((luminance(a), luminance(b)))
        return (high + 0.05) / (low + 0.05)

    for ground in ("page", "panel"):
        for tone in (*SERIES, "muted"):
            assert contrast(TONES[tone][side], TONES[ground][side]) >= 3.0, (tone, ground)
        for tone in ("ink", "soft", "accent", "good", "bad", "warn"):
            assert contrast(TONES[tone][side], TONES[ground][side]) >= 4.5, (tone, ground)
    assert contrast(TONES["ink"][side], TONES["warn-panel"][side]) >= 4.5
