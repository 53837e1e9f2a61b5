"""The parameters cell is the schema: what it accepts, and what it says when it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.errors import StudyError
from lib.parameters import Parameter, check_parameters, parse_setting, read_parameters, read_params_file

NOTEBOOK = """
# %% [markdown]
# # A question?

# %% tags=["parameters"]
# which trained nets,
# by the names of their recipes
models: list[str] = ["cnn"]
n_images: int = 10  # test images
learning_rate: float = 0.5  # of "Adam" # the optimiser
steps: list[float] = [
    0.1,  # not this one
    1,
]  # noise levels
fresh: bool = False
out: str = "reports/scratch/01_tiny"

# %%
n_images = "another cell"
"""


@pytest.fixture
def schema(tmp_path: Path) -> dict[str, Parameter]:
    return read_parameters(write(tmp_path / "01_tiny.py", NOTEBOOK))


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def refusal(function, *arguments) -> str:
    with pytest.raises(StudyError) as caught:
        function(*arguments)
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".")
    return message


def test_the_cell_is_read_with_types_defaults_and_comments(schema):
    assert list(schema) == ["models", "n_images", "learning_rate", "steps", "fresh", "out"]
    assert schema["models"] == Parameter(
        "models", "list[str]", ["cnn"], "which trained nets, by the names of their recipes"
    )
    assert schema["n_images"] == Parameter("n_images", "int", 10, "test images")
    assert schema["learning_rate"].comment == 'of "Adam" # the optimiser'
    assert schema["steps"] == Parameter("steps", "list[float]", [0.1, 1.0], "noise levels")
    assert schema["fresh"].comment == ""


@pytest.mark.parametrize(
    ("cell", "part"),
    [
        ("n = 3", "line 1 is not of the form"),
        ("n: int", "line 1 is not of the form"),
        ("import os", "line 1 is not of the form"),
        ("n: dict = {}", "use one of int, float"),
        ("n: int = 3\nn: int = 4", "twice"),
        ("n: int = 2 + x", "not a plain value"),
        ("n: int = 3.5", "not int"),
        ("n: int = (", "never closed"),
    ],
)
def test_a_cell_that_is_no_schema_is_refused(tmp_path, cell, part):
    path = write(tmp_path / "bad.py", f'# %% tags=["parameters"]\n{cell}\n')
    with pytest.raises(StudyError, match=r"bad\.py, parameters cell") as caught:
        read_parameters(path)
    assert part in str(caught.value)


@pytest.mark.parametrize("count", [0, 2])
def test_there_is_exactly_one_parameters_cell(tmp_path, count):
    path = write(tmp_path / "bad.py", '# %% tags=["parameters"]\nn: int = 3\n' * count)
    assert f"has {count} cells" in refusal(read_parameters, path)


def test_an_absent_notebook_is_named(tmp_path):
    assert "none.py cannot be read" in refusal(read_parameters, tmp_path / "none.py")


def test_values_override_defaults(schema):
    merged = check_parameters(schema, {"n_images": 5, "learning_rate": 2, "steps": [1, 2.5]})
    assert merged == {
        "models": ["cnn"],
        "n_images": 5,
        "learning_rate": 2.0,
        "steps": [1.0, 2.5],
        "fresh": False,
        "out": "reports/scratch/01_tiny",
    }
    assert type(merged["learning_rate"]) is float


def test_the_result_shares_nothing_with_the_schema(schema):
    check_parameters(schema, {})["models"].append("mlp")
    assert schema["models"].default == ["cnn"]


def test_an_unknown_name_gets_a_suggestion_and_the_list(schema):
    message = refusal(check_parameters, schema, {"n_image": 5})
    assert "Did you mean 'n_images'?" in message
    assert "models, n_images, learning_rate" in message
    assert "Did you mean" not in refusal(check_parameters, schema, {"zzz": 5})


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"learning_rate": "1e-3"}, "is text, not float; write 0.001"),
        ({"learning_rate": "1e-10"}, "write 1.0e-10"),
        ({"learning_rate": "fast"}, "is text, not float."),
        ({"learning_rate": float("nan")}, "finite"),
        ({"learning_rate": True}, "is bool, not float."),
        ({"n_images": "1e3"}, "is text, not int; write 1000"),
        ({"n_images": 10.0}, "is float, not int; write 10"),
        ({"n_images": 10.5}, "is float, not int."),
        ({"n_images": True}, "is bool, not int."),
        ({"n_images": None}, "is empty, not int."),
        ({"fresh": 1}, "is int, not bool; write true or false"),
        ({"fresh": "True"}, "is text, not bool; write true or false"),
        ({"out": 3}, "is int, not str; put it in quotes"),
        ({"models": "cnn"}, "not a list; write models: [cnn]"),
        ({"models": ["cnn", 3]}, "models[1] is 3, which is int, not str"),
        ({"steps": ["1e-3"]}, "steps[0] is '1e-3', which is text, not float; write 0.001"),
    ],
)
def test_a_wrong_type_is_refused_with_what_to_write(schema, values, part):
    assert part in refusal(check_parameters, schema, values)


@pytest.mark.parametrize("number", ["1e-3", "1e-10", "1e+20", "2.5e3"])
def test_what_the_advice_says_to_write_is_accepted(schema, tmp_path, number):
    message = refusal(check_parameters, schema, {"learning_rate": number})
    advice = message.rsplit("write ", 1)[1].removesuffix(".")
    values = read_params_file(write(tmp_path / "a.yml", f"learning_rate: {advice}"))
    assert check_parameters(schema, values)["learning_rate"] == float(number)


def test_a_params_file_is_one_flat_mapping(tmp_path):
    assert read_params_file(write(tmp_path / "a.yml", "models: [a, b]\nn: 3\n")) == {
        "models": ["a", "b"],
        "n": 3,
    }
    assert read_params_file(write(tmp_path / "b.yml", "# all defaults\n")) == {}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("- a\n- b\n", "one flat mapping"),
        ("just text", "one flat mapping"),
        ("train: {epochs: 3}", "train is nested"),
        ("a: [[1], [2]]", "a is nested"),
        ("3: a", "the name 3 is not text"),
        ("a: 1\nb: [1, 2\n", "not valid YAML in line"),
        ("a: !!python/object:os.system 3", "not valid YAML"),
    ],
)
def test_other_files_are_refused(tmp_path, text, part):
    message = refusal(read_params_file, write(tmp_path / "a.yml", text))
    assert part in message and "a.yml" in message


def test_an_absent_file_is_named(tmp_path):
    assert "none.yml cannot be read" in refusal(read_params_file, tmp_path / "none.yml")


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("n_images=5", ("n_images", 5)),
        ("learning_rate=1e-3", ("learning_rate", 0.001)),
        ("out=5", ("out", "5")),
        ("out=a=b", ("out", "a=b")),
        ("models=[gradient, lrp(eps=1)]", ("models", ["gradient", "lrp(eps=1)"])),
        ("fresh=true", ("fresh", True)),
    ],
)
def test_settings_of_the_command_line_follow_the_schema(schema, setting, expected):
    assert parse_setting(schema, setting) == expected


@pytest.mark.parametrize(
    ("setting", "part"),
    [("n_images", "write name=value"), ("n=1", "no parameter 'n'"), ("models=[a", "cannot be read")],
)
def test_bad_settings_are_refused(schema, setting, part):
    assert part in refusal(parse_setting, schema, setting)
