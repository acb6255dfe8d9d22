"""Views over stores, runs and several runs."""

import shutil

import polars as pl
import pytest
import qa_contract
from qa_contract.database import connect, find_tables, query
from qa_contract.errors import FileError, TableError, UserError


def rows(source, sql):
    return query(source, sql).rows()


def test_a_run_has_a_view_per_table_with_run_round_and_stage(run):
    with qa_contract.connect(run) as connection:
        here = {name for (name,) in connection.execute("SHOW TABLES").fetchall()}
    assert here == {
        *("choices", "cloud", "confidence", "feedback", "files"),
        *("predictions", "questions", "rejects", "scenes", "scores"),
    }
    found = rows(run, "SELECT DISTINCT run, round, stage FROM scores ORDER BY round, stage DESC")
    assert found == [("first", number, stage) for number in range(3) for stage in ("eval", "blind")]


def test_the_round_is_the_rows_own_and_else_the_folders(run):
    assert rows(run, "SELECT DISTINCT stage, round FROM questions ORDER BY round") == [
        ("eval_questions", 0), ("questions", 1), ("questions", 2),
    ]  # fmt: skip
    assert rows(run, "SELECT DISTINCT stage, round FROM choices ORDER BY round") == [("questions", 1), ("questions", 2)]
    assert rows(run, "SELECT DISTINCT stage, round FROM scenes") == [("store", None)]


def test_the_stage_of_rejects_is_called_command(run):
    assert rows(run, "SELECT stage, command FROM rejects WHERE round = 1") == [("questions", "generate")]


def test_a_file_per_scene_names_its_scene(run):
    assert rows(run, "SELECT scene_name, x, stage FROM cloud") == [("room_0", 0.0, "store")]


def test_a_part_of_a_run_knows_where_it_belongs(run):
    where = "SELECT DISTINCT run, round, stage FROM scores"
    assert rows(run / "round_01/eval", where) == [("first", 1, "eval")]
    assert rows(run / "round_01/eval/scores.parquet", where) == [("first", 1, "eval")]
    assert rows(run / "store", "SELECT DISTINCT run, stage FROM scenes") == [("first", "store")]


def test_several_runs_by_list_by_glob_and_by_the_folder_above(run, tmp_path):
    for name in ("a", "b"):
        shutil.copytree(run, tmp_path / name)
    counts = "SELECT run, count(*) FROM questions GROUP BY ALL ORDER BY run"
    expected = [("a", 12), ("b", 12)]
    assert rows([tmp_path / "a", tmp_path / "b"], counts) == expected
    assert rows(f"{tmp_path}/*", counts) == expected
    assert rows(tmp_path, counts) == expected
    assert rows([tmp_path / "a", f"{tmp_path}/a"], counts) == expected[:1]


def test_runs_of_one_name_are_told_apart_by_their_paths(run, tmp_path):
    shutil.copytree(run, tmp_path / "first")
    found = rows([run, tmp_path / "first"], "SELECT DISTINCT run FROM scenes ORDER BY run")
    assert found == sorted([(str(run),), (str(tmp_path / "first"),)])


def test_a_path_with_quotes_and_wildcards_is_that_path(run, tmp_path):
    shutil.copytree(run / "store", tmp_path / "it's [1] *")
    shutil.copytree(run / "store", tmp_path / "it's 1 more")
    assert rows(tmp_path / "it's [1] *", "SELECT count(*), any_value(run) FROM scenes") == [(2, "it's [1] *")]


def test_columns_that_an_older_file_lacks_are_null(run, tmp_path):
    shutil.copytree(run, tmp_path / "old")
    for path in (tmp_path / "old").glob("round_*/eval/predictions.parquet"):
        frame = pl.read_parquet(path).drop("versions", "frame_fps")
        frame.write_parquet(path, metadata={"table": "predictions", "version": "1"})
    sql = "SELECT count(*), count(versions), any_value(typeof(frame_fps)) FROM predictions WHERE stage = 'eval'"
    assert rows(tmp_path / "old", sql) == [(12, 0, "DOUBLE")]
    for path in (tmp_path / "old").glob("round_*/blind"):
        shutil.rmtree(path)  # now no file at all has the columns
    assert rows(tmp_path / "old", sql) == [(12, 0, "DOUBLE")]


def test_another_major_version_is_refused(run, tmp_path):
    shutil.copytree(run / "store", tmp_path / "store")
    path = tmp_path / "store/scenes.parquet"
    pl.read_parquet(path).write_parquet(path, metadata={"table": "scenes", "version": "99"})
    with pytest.raises(TableError, match=r"scenes\.parquet: table 'scenes' has version 99"):
        connect(tmp_path / "store")


def test_a_file_that_is_no_parquet_is_named(tmp_path):
    (tmp_path / "scenes.parquet").write_text("no table")
    with pytest.raises(TableError, match=r"scenes\.parquet"):
        connect(tmp_path)
    with pytest.raises(TableError, match="not a readable Parquet file"):
        connect(tmp_path / "scenes.parquet")


def test_an_unknown_table_is_answered_with_those_that_there_are(run):
    message = r"No table 'score' in .*first. Did you mean 'scores'\? Tables: choices, cloud, .*, scores."
    with pytest.raises(UserError, match=message):
        query(run, "SELECT * FROM score")


def test_an_unknown_column_is_answered_with_the_nearest(run):
    with pytest.raises(UserError, match='"nope" not found'):
        query(run, "SELECT nope FROM scores")


@pytest.mark.parametrize("sql", ["", "SELECT 1; SELECT 2", "DROP VIEW scores", "CREATE TABLE a (b INT)", "SELEC 1"])
def test_only_one_statement_that_reads_is_taken(run, sql):
    with pytest.raises(UserError, match=r"Expected one statement that reads|cannot be read"):
        query(run, sql)


def test_nothing_else_is_read_or_written(run, tmp_path):
    (tmp_path / "other.csv").write_text("a\n1\n")
    with pytest.raises(UserError, match=r"No table|disabled"):
        query(run, f"SELECT * FROM '{tmp_path}/other.csv'")
    with pytest.raises(UserError, match="disabled"):
        query(run, f"SELECT * FROM read_csv('{tmp_path}/other.csv')")
    target = tmp_path / "out.parquet"
    with pytest.raises(UserError, match="found COPY"):
        query(run, f"COPY scores TO '{target}'")
    with connect(run) as connection, pytest.raises(Exception, match="disabled"):
        connection.execute(f"COPY scores TO '{target}'")
    assert not target.exists()


def test_parameters_pivots_and_frames_of_the_caller(run):
    assert query(run, "SELECT count(*) AS n FROM scores WHERE round = $r", {"r": 1}).item() == 8
    assert query(run, "SELECT count(*) AS n FROM scores WHERE round = ?", [1]).item() == 8
    assert query(run, "PIVOT scores ON round USING avg(score) GROUP BY stage").columns == ["stage", "0", "1", "2"]
    with connect(run) as connection:
        connection.register("mine", pl.DataFrame({"question_id": ["q0-1"]}))
        joined = connection.sql("SELECT count(*) FROM scores JOIN mine USING (question_id)")
        assert joined.fetchall() == [(6,)]


def test_what_is_not_there_is_an_error(tmp_path):
    for source in (tmp_path / "nowhere", f"{tmp_path}/*/none"):
        with pytest.raises(FileError, match="no such file or folder"):
            connect(source)
    with pytest.raises(TableError, match="no table here"):
        connect(tmp_path)


def test_shards_and_files_are_found_in_the_order_of_their_paths(tmp_path):
    for name in ("scenes-00001-of-00002", "scenes-00000-of-00002", "scenes-part-1", "notes"):
        pl.DataFrame({"scene_name": [name]}).write_parquet(tmp_path / f"{name}.parquet")
    assert [file.path.stem for file in find_tables(tmp_path)] == ["scenes-00000-of-00002", "scenes-00001-of-00002"]
    assert rows(tmp_path / "notes.parquet", "SELECT scene_name FROM notes") == [("notes",)]
