from qa_contract.errors import MAX_LISTED, ExitCode, FileError, TableError, UserError, suggest, unknown_name


class PackageError(UserError):
    """As a package derives its own base."""


def test_one_base_and_one_exit_code():
    assert issubclass(TableError, FileError)
    assert issubclass(FileError, UserError)
    assert PackageError("x").exit_code == ExitCode.USER_ERROR == 2
    assert [int(code) for code in ExitCode] == [0, 1, 2, 70, 75, 130, 143]


def test_an_instance_may_carry_another_exit_code():
    error = PackageError("a stage lost rows")
    error.exit_code = ExitCode.LOST
    assert (error.exit_code, PackageError("x").exit_code) == (1, 2)


def test_unknown_name_is_of_the_class_that_was_asked_for():
    error = unknown_name("parser", "oficial", ["official", "lenient"], error=PackageError)
    assert type(error) is PackageError
    assert str(error) == "Unknown parser 'oficial'. Did you mean 'official'? Valid: lenient, official."


def test_many_names_are_cut_and_counted():
    message = str(unknown_name("scene", "attic", (f"room_{k:03}" for k in range(500))))
    assert message.endswith(f"room_{MAX_LISTED - 1:03}, ... (500 names).")


def test_case_does_not_hide_the_nearest_name():
    assert suggest("MRA", ["mra", "choice"]) == " Did you mean 'mra'?"


def test_no_names_at_all():
    assert str(unknown_name("frame set", "u", [])) == "Unknown frame set 'u'. Valid: none."
