import json

from hypothesis import given
from hypothesis import strategies as st
from qa_contract.identity import config_hash, differing_keys

values = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=8,
)
configs = st.dictionaries(st.text(max_size=3), values, max_size=4)


@given(configs)
def test_a_configuration_equals_itself_after_a_file(config):
    stored = json.loads(json.dumps(config))
    assert differing_keys(config, stored) == []
    assert config_hash(config) == config_hash(stored)


@given(configs, configs)
def test_the_hash_differs_where_a_key_does(a, b):
    changes = differing_keys(a, b)
    assert len(differing_keys(b, a)) == len(changes)
    if changes:
        assert config_hash(a) != config_hash(b)


@given(configs)
def test_a_new_setting_without_a_value_is_no_change(config):
    added = {**config, "added later": None}
    assert differing_keys(config, added) == differing_keys(added, config) == []
