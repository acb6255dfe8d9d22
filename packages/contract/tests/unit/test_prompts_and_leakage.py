import pytest
from qa_contract.errors import UserError
from qa_contract.leakage import benchmark_of, benchmark_registry, benchmark_scenes
from qa_contract.prompts import format_prompt


def test_a_number_is_asked_for_without_options():
    text = format_prompt("How many?", None, "vsi-bench")
    assert text == "These are frames of a video.\nHow many?\nPlease answer the question using a single word or phrase."


def test_an_unknown_prompt_is_named():
    with pytest.raises(UserError, match=r"Unknown prompt_id 'vsi_bench'. Did you mean 'vsi-bench'\?"):
        format_prompt("How many?", None, "vsi_bench")


def test_scenes_of_benchmarks_are_found_among_others():
    assert benchmark_scenes(["my kitchen", "41069025", "\ud800"]) == {"41069025": "vsi-bench"}
    assert benchmark_of("my kitchen") is None


def test_the_registry_holds_digests():
    digests = benchmark_registry()
    assert len(digests) == 288
    assert all(len(digest) == 16 and int(digest, 16) >= 0 for digest in digests)
