"""Files made by rule or at random: wrong params, weights or pixels cost one sentence, never a traceback.

The whole list of malformed params files is tried by ``benchmarks/malformed_params.py``; here is every so many-th of it.
"""

from __future__ import annotations

import importlib.util
import io
import struct
import sys

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import data, weights
from lib.compute import ROOT
from lib.errors import StudyError
from lib.parameters import KINDS, Parameter, check_parameters, parse_setting, read_params_file

_spec = importlib.util.spec_from_file_location("malformed_params", ROOT / "benchmarks" / "malformed_params.py")
malformed = importlib.util.module_from_spec(_spec)
sys.modules["malformed_params"] = malformed  # where dataclasses look for it
_spec.loader.exec_module(malformed)

EVERY = [each for study in malformed.studies() for each in malformed.mistakes(study)]
QUICK = [each for each in EVERY if each.sort != "a value without sense" or each.words.endswith("below zero")]
DEFAULTS = {
    "int": 1,
    "float": 0.5,
    "str": "a",
    "bool": True,
    "list[str]": ["a"],
    "list[int]": [1],
    "list[float]": [0.5],
}
SCHEMA = {kind: Parameter(kind, kind, DEFAULTS[kind], "") for kind in KINDS}


def one_sentence(error: StudyError) -> None:
    message = str(error)
    assert message.endswith(".") and "\n" not in message, message


# Params files ---------------------------------------------------------------------------------------------------------


def test_there_are_hundreds_of_malformed_files_and_all_differ():
    assert len(EVERY) >= 200
    assert len({(each.study, each.content) for each in EVERY}) > 0.95 * len(EVERY)


def test_malformed_params_files_are_refused_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.setenv("SALIENCY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SALIENCY_DATA", str(tmp_path / "no data"))
    chosen = QUICK[:: len(QUICK) // 60]
    with malformed.nothing_computed():
        problems = {(each.study, each.words): malformed.tried(each, tmp_path) for each in chosen}
    assert len(problems) >= 60
    assert {which: problem for which, problem in problems.items() if problem} == {}


@pytest.mark.parametrize(
    ("code", "said"), [(0, ""), (1, "Traceback\nValueError: a"), (2, "No full stop"), (2, ""), (2, "One.\nTwo.")]
)
def test_the_judge_notices(code, said):
    assert malformed.judged(code, said)
    assert not malformed.judged(2, "models is empty; name at least one.\n")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def params_file(tmp_path_factory):
    return tmp_path_factory.mktemp("params") / "a.yml"


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(KINDS) | st.text(max_size=8), anything, max_size=4))
def test_a_mapping_is_refused_in_one_sentence_or_has_the_types_of_its_schema(params_file, content):
    params_file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    try:
        values = check_parameters(SCHEMA, read_params_file(params_file))
    except StudyError as error:
        return one_sentence(error)
    types = {"int": int, "float": float, "str": str, "bool": bool}
    for kind, value in values.items():
        inner = kind.removeprefix("list[").removesuffix("]")
        assert isinstance(value, list) == (inner != kind)
        assert all(type(each) is types[inner] for each in (value if isinstance(value, list) else [value]))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.text(alphabet="abn_:[]{}-&*!|>'\"#%@`,? \n\t01", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused_in_one_sentence(params_file, content):
    params_file.write_bytes(content)
    try:
        assert isinstance(read_params_file(params_file), dict)
    except StudyError as error:
        one_sentence(error)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(KINDS), st.text(max_size=12))
def test_any_setting_of_the_command_line_is_read_or_refused_in_one_sentence(kind, text):
    try:
        check_parameters(SCHEMA, dict([parse_setting(SCHEMA, f"{kind}={text}")]))
    except StudyError as error:
        one_sentence(error)


# Weights and pixels ---------------------------------------------------------------------------------------------------


def state_file() -> bytes:
    packed = io.BytesIO()
    torch.save({"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.zeros(2)}, packed)
    return packed.getvalue()


STATE = state_file()


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(STATE) - 1), st.integers(0, 7), st.booleans())
def test_weights_that_are_cut_or_have_a_flipped_bit_are_refused_or_a_state_dict(params_file, at, bit, cut):
    damaged = STATE[:at] if cut else STATE[:at] + bytes([STATE[at] ^ (1 << bit)]) + STATE[at + 1 :]
    try:
        state = weights._state(params_file, damaged)
    except StudyError as error:
        return one_sentence(error)
    assert all(isinstance(value, torch.Tensor) for value in state.values())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40))
def test_a_file_in_mnist_s_format_is_whole_only_if_its_length_is_that_of_its_head(params_file, content):
    params_file.write_bytes(content)
    sizes = {
        struct.pack(">HBBI", 0, 8, 1, 8): 16,
        struct.pack(">HBB3I", 0, 8, 3, 2, 2, 2): 24,
    }
    assert not data._whole(params_file) or content[:3] == b"\0\0\x08"
    for head, length in sizes.items():
        params_file.write_bytes(head + content)
        assert data._whole(params_file) == (len(head + content) == length)
