import polars as pl
import pytest
from qa_contract.tables import DECLARATIONS, TABLES, VERSIONS, tables_markdown


@pytest.mark.parametrize("table", DECLARATIONS.values(), ids=lambda table: table.name)
def test_a_declaration_is_whole(table):
    assert TABLES[table.name] == table.schema
    assert set(table.key) <= set(table.columns)
    assert all(column.meaning for column in table.columns.values())
    assert VERSIONS[table.name].partition(".")[0].isdigit()
    assert pl.DataFrame(schema=table.schema).width == len(table.columns)


def test_a_column_has_one_type_in_all_tables():
    types: dict[str, set[str]] = {}
    for name, table in DECLARATIONS.items():
        for column, declared in table.columns.items():
            types.setdefault(column, set()).add(str(declared.dtype))
        assert name == table.name
    # `id`-like names mean one thing; these hold what their table is about.
    assert {name for name, found in types.items() if len(found) > 1} == set()


def test_the_page_lists_every_table_and_column():
    page = tables_markdown()
    assert page.count("\n## ") + page.startswith("## ") == len(DECLARATIONS)
    assert '| `options` | list(text) | yes | "A. text"; null for numbers |' in page
    for table in DECLARATIONS.values():
        assert all(f"| `{name}` |" in page for name in table.columns)
