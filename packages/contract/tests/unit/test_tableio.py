import polars as pl
import pytest
from qa_contract.errors import TableError
from qa_contract.tableio import check_unique, read_metadata, read_table, table_files, table_metadata, write_table
from qa_contract.tables import DECLARATIONS, FRAME_SETS

ROW = {"scene_name": "attic", "frame_set_id": "uniform-2", "method": "uniform", "n": 2, "frame_ids": ["0", "1"]}


def save(path, row=ROW, **metadata):
    frame = pl.DataFrame([row])
    return write_table(frame, path, FRAME_SETS, table_metadata("frame_sets", "test", {"a": 1}, 3) | metadata)


def test_what_is_written_is_read(tmp_path):
    path = save(tmp_path / "frame_sets.parquet")
    assert read_table(tmp_path, "frame_sets", FRAME_SETS).to_dicts() == [ROW]
    assert read_table(path, "frame_sets", FRAME_SETS, columns=["n"]).to_dicts() == [{"n": 2}]
    assert read_metadata(path) | {"config_hash": "", "run_id": ""} == {
        "table": "frame_sets", "version": "1", "producer": "test", "seed": "3", "config_hash": "", "run_id": "",
    }  # fmt: skip


def test_a_path_with_wildcards_is_that_path(tmp_path):
    save(tmp_path / "a[12]*/frame_sets.parquet")
    save(tmp_path / "a1/frame_sets.parquet", ROW | {"n": 5})
    assert read_table(tmp_path / "a[12]*", "frame_sets", FRAME_SETS)["n"].to_list() == [2]


def test_same_rows_give_the_same_bytes(tmp_path):
    assert save(tmp_path / "a/frame_sets.parquet").read_bytes() == save(tmp_path / "frame_sets.parquet").read_bytes()


@pytest.mark.parametrize("version", ["0", "2", "99", "2.0", "new"])
def test_another_major_version_is_refused_with_what_to_do(tmp_path, version):
    save(tmp_path / "frame_sets.parquet", version=version)
    with pytest.raises(TableError, match=f"version {version}; this reads version 1. Write it again with 'test'"):
        read_table(tmp_path, "frame_sets", FRAME_SETS)


def test_a_later_minor_version_and_a_file_without_metadata_are_read(tmp_path):
    save(tmp_path / "frame_sets.parquet", version="1.4")
    assert read_table(tmp_path, "frame_sets", FRAME_SETS).height == 1
    pl.DataFrame([ROW]).write_parquet(tmp_path / "frame_sets.parquet")
    assert read_table(tmp_path, "frame_sets", FRAME_SETS).height == 1


def test_another_table_is_refused(tmp_path):
    save(tmp_path / "frame_sets.parquet", table="frames")
    with pytest.raises(TableError, match="expected table 'frame_sets', found table 'frames'"):
        read_table(tmp_path, "frame_sets", FRAME_SETS)


def test_an_optional_column_is_null_where_the_file_lacks_it(tmp_path):
    pl.DataFrame([ROW]).drop("method").write_parquet(tmp_path / "frame_sets.parquet")
    with pytest.raises(TableError, match=r"lacks column\(s\) method"):
        read_table(tmp_path, "frame_sets", FRAME_SETS)
    frame = read_table(tmp_path, "frame_sets", FRAME_SETS, optional=["method"])
    assert frame["method"].to_list() == [None]
    assert frame.schema == pl.Schema(FRAME_SETS)


def test_columns_of_another_type_are_refused(tmp_path):
    pl.DataFrame([ROW | {"n": "many"}]).write_parquet(tmp_path / "frame_sets.parquet")
    with pytest.raises(TableError, match="other types"):
        read_table(tmp_path, "frame_sets", FRAME_SETS)


def test_rows_that_do_not_fit_are_not_written(tmp_path):
    with pytest.raises(TableError, match=r"lack \['n'\]"):
        save(tmp_path / "frame_sets.parquet", {key: value for key, value in ROW.items() if key != "n"})
    with pytest.raises(TableError, match="too many"):
        save(tmp_path / "frame_sets.parquet", ROW | {"more": 1})
    with pytest.raises(TableError, match="do not fit"):
        save(tmp_path / "frame_sets.parquet", ROW | {"n": "many"})
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_is_named_with_the_file(tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise pl.exceptions.ComputeError("No space left on device (os error 28)")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(TableError, match=r"frame_sets\.parquet: cannot be written \(No space left"):
        save(tmp_path / "frame_sets.parquet")
    assert list(tmp_path.iterdir()) == []


def test_shards_are_read_in_order_and_all_of_them(tmp_path):
    for k in range(2):
        save(tmp_path / f"frame_sets-{k:05}-of-00002.parquet", ROW | {"frame_set_id": f"uniform-{k}", "n": k})
    assert read_table(tmp_path, "frame_sets", FRAME_SETS)["n"].to_list() == [0, 1]
    save(tmp_path / "frame_sets.parquet")
    with pytest.raises(TableError, match="keep one"):
        table_files(tmp_path, "frame_sets")
    (tmp_path / "frame_sets.parquet").unlink()
    (tmp_path / "frame_sets-00000-of-00002.parquet").unlink()
    with pytest.raises(TableError, match="expected 2 shards of 'frame_sets', found 1"):
        table_files(tmp_path, "frame_sets")


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(TableError, match="no such file or folder"):
        table_files(tmp_path / "nowhere", "scenes")
    with pytest.raises(TableError, match=r"expected scenes\.parquet or its shards, found no Parquet file"):
        table_files(tmp_path, "scenes")
    (tmp_path / "scenes.parquet").write_text("no table")
    with pytest.raises(TableError, match="not a readable Parquet file"):
        read_metadata(tmp_path / "scenes.parquet")


def test_doubled_keys_are_refused_with_the_first_of_them():
    frame = pl.DataFrame({"question_id": ["a", "b", "c", "b", "c", "b"], "score": [1.0] * 6})
    with pytest.raises(TableError, match=r"scores: question_id 'b' stands in 3 rows; 2 of these keys are not unique"):
        check_unique(frame, ["question_id"], "scores")
    check_unique(frame.unique("question_id"), DECLARATIONS["questions"].key, "scores")


def test_a_key_of_several_columns_may_hold_nulls():
    frame = pl.DataFrame({"scene_name": ["a", "a", "b"], "cell": [None] * 3}, schema_overrides={"cell": pl.String})
    with pytest.raises(TableError, match="scene_name 'a', cell 'None' stands in 2 rows"):
        check_unique(frame, ["scene_name", "cell"], "feedback")


def test_a_table_whose_declared_key_is_doubled_is_not_read(tmp_path):
    for k in range(2):
        save(tmp_path / f"frame_sets-{k:05}-of-00002.parquet")
    with pytest.raises(TableError, match=r"scene_name 'attic'.* stands in 2 rows; 1 of these keys are not unique"):
        read_table(tmp_path, "frame_sets", FRAME_SETS)
    assert read_table(tmp_path, "frame_sets", FRAME_SETS, columns=["scene_name"]).height == 2  # names may repeat


def test_rows_of_some_scenes_come_in_their_order(tmp_path):
    names = [f"room_{k:03d}" for k in range(200)]
    table = pl.DataFrame({"scene_name": names}).select(pl.col("scene_name").repeat_by(300).explode())
    table = table.with_row_index("v").with_columns(pl.col("v").cast(pl.Int64))
    for path, part in (("t.parquet", table[:45_000]), ("added/00001/t.parquet", table[45_000:])):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        part.write_parquet(tmp_path / path, row_group_size=1024)
    wanted = names[140:160] + names[10:90:2]
    found = read_table(tmp_path, "t", {"v": pl.Int64}, scenes=wanted)
    assert found["v"].to_list() == table.filter(pl.col("scene_name").is_in(wanted))["v"].to_list()
    assert read_table(tmp_path, "t", {"v": pl.Int64}, scenes=[]).is_empty()
