"""Keys, locks, checksums and atomic writes: a kill, a full disk or a damaged file costs time, never a result."""

from __future__ import annotations

import errno
import importlib.util
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from lib import artefacts
from lib.artefacts import ROOT, artefact, intact, key_of, source_digest, write_atomically
from lib.errors import StudyError

KEY = "a" * 64


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("SALIENCY_CACHE", str(folder))
    return folder


def one_file(text="result"):
    return lambda folder: (folder / "result.txt").write_text(text)


def files_of(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def one_sentence(error: pytest.ExceptionInfo) -> str:
    text = str(error.value)
    assert "\n" not in text and text.endswith(".") and len(text) < 400
    return text


# Atomic writes ------------------------------------------------------------------------------------------------------


def test_a_file_is_written_with_its_folders(tmp_path):
    path = tmp_path / "a" / "b" / "file.txt"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert files_of(path.parent) == {"file.txt"}


def fail_with(number):
    def fail(*_args, **_kwargs):
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
@pytest.mark.parametrize("call", ["fsync", "open", "replace"])
def test_a_failing_write_leaves_the_old_content(tmp_path, monkeypatch, call, number):
    path = tmp_path / "file.txt"
    path.write_text("old")
    if call == "fsync":
        monkeypatch.setattr(os, "fsync", fail_with(number))
    else:
        monkeypatch.setattr(Path, call, fail_with(number))
    with pytest.raises(StudyError) as error:
        write_atomically(path, b"new" * 1000)
    monkeypatch.undo()
    assert str(path) in one_sentence(error) and os.strerror(number) in str(error.value)
    assert path.read_text() == "old"
    assert files_of(tmp_path) == {"file.txt"}


def test_a_disk_that_fills_in_the_middle_of_a_write(tmp_path, monkeypatch):
    path = tmp_path / "file.txt"
    path.write_text("old")
    opened = Path.open

    class Full:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def write(self, data):
            self.file.write(data[: len(data) // 2])
            self.file.flush()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "open", lambda self, mode="r": Full(opened(self, mode)))
    with pytest.raises(StudyError):
        write_atomically(path, b"new" * 1000)
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert files_of(tmp_path) == {"file.txt"}


def test_a_folder_that_cannot_be_made_gives_one_sentence(tmp_path, monkeypatch):
    # As in a read-only clone: the folder of the file is not there yet.
    monkeypatch.setattr(Path, "mkdir", fail_with(errno.EACCES))
    with pytest.raises(StudyError) as error:
        write_atomically(tmp_path / "reports" / "results.json", b"{}")
    assert "results.json" in one_sentence(error)


def test_a_cache_that_cannot_be_made_gives_one_sentence(cache, monkeypatch):
    monkeypatch.setattr(Path, "mkdir", fail_with(errno.EROFS))
    with pytest.raises(StudyError) as error:
        artefact("models", KEY, one_file())
    assert str(cache) in one_sentence(error)


# Making once --------------------------------------------------------------------------------------------------------


def test_an_artefact_is_made_once_and_found_afterwards(cache):
    calls = []

    def make(folder):
        calls.append(list(folder.iterdir()))
        (folder / "result.txt").write_text("result")

    first = artefact("models", KEY, make)
    second = artefact("models", KEY, make)
    assert first == second and calls == [[]]
    assert first.is_relative_to(cache / "models")
    assert (first / "result.txt").read_text() == "result"


def test_a_failing_make_leaves_nothing_and_the_next_succeeds(cache):
    def fail(folder):
        (folder / "result.txt").write_text("half")
        raise StudyError("No.")

    with pytest.raises(StudyError):
        artefact("models", KEY, fail)
    assert [path for path in (cache / "models").iterdir() if path.is_dir()] == []
    assert (artefact("models", KEY, one_file()) / "result.txt").read_text() == "result"


def test_fresh_makes_again_and_keeps_the_old_one_until_the_new_one_is_there(cache):
    folder = artefact("models", KEY, one_file())
    before = (folder / "result.txt").read_text()

    def fail(_folder):
        raise StudyError("It went wrong half-way.")

    with pytest.raises(StudyError):
        artefact("models", KEY, fail, fresh=True)
    assert intact(folder) and (folder / "result.txt").read_text() == before
    artefact("models", KEY, lambda new: (new / "result.txt").write_text("newer") and None, fresh=True)
    assert intact(folder) and (folder / "result.txt").read_text() == "newer"
    artefact("models", KEY, fail)


def _call(log: str, key: str) -> None:
    def make(folder):
        with open(log, "a") as file:
            file.write(f"{key[0]}\n")
        (folder / "half.txt").write_text("x")
        time.sleep(0.05)
        (folder / "result.txt").write_text(key)

    folder = artefact("models", key, make)
    assert (folder / "result.txt").read_text() == key


def test_eight_processes_and_three_keys_make_three_artefacts(tmp_path, capfd):
    log = tmp_path / "log"
    context = multiprocessing.get_context("fork")
    jobs = [(str(log), letter * 64) for letter in "abcabcab"]
    workers = [context.Process(target=_call, args=job) for job in jobs]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert [worker.exitcode for worker in workers] == [0] * 8
    assert sorted(log.read_text().split()) == ["a", "b", "c"]
    assert "damaged" not in capfd.readouterr().err


KILLED = """
import time
from lib.artefacts import artefact

def make(folder):
    (folder / "result.txt").write_text("half")
    print("in the middle", flush=True)
    time.sleep(60)

artefact("models", "a" * 64, make)
"""


def test_a_kill_in_the_middle_leaves_no_half_artefact(cache, capfd):
    process = subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout.readline() == b"in the middle\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    folder = cache / "models" / KEY[:16]
    assert not folder.exists() and not intact(folder)
    # The lock went with the process, so this does not wait; and the half artefact is not mistaken for a damaged one.
    assert artefact("models", KEY, one_file()) == folder
    assert (folder / "result.txt").read_text() == "result"
    assert "damaged" not in capfd.readouterr().err


def test_what_a_killed_make_left_is_cleared_away(cache):
    leftover = cache / "models" / f".{KEY[:16]}.tmp-999999"
    leftover.mkdir(parents=True)
    (leftover / "model.pt").write_text("half")
    artefact("models", KEY, one_file())
    assert not leftover.exists()


def test_a_damaged_artefact_stays_until_the_new_one_is_finished():
    folder = artefact("models", KEY, one_file())
    (folder / "result.txt").write_text("damaged")

    def fail(_):
        raise StudyError("No.")

    with pytest.raises(StudyError):
        artefact("models", KEY, fail)
    assert (folder / "result.txt").read_text() == "damaged"


# Damage -------------------------------------------------------------------------------------------------------------


def flip(folder):
    data = bytearray((folder / "result.txt").read_bytes())
    data[0] ^= 1
    (folder / "result.txt").write_bytes(data)


def cut_sums(folder):
    (folder / artefacts.CHECKSUMS).write_text("")


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (flip, "result.txt"),
        (lambda folder: (folder / "result.txt").write_bytes(b""), "result.txt"),
        (lambda folder: (folder / "result.txt").unlink(), "result.txt"),
        (lambda folder: (folder / artefacts.CHECKSUMS).unlink(), artefacts.CHECKSUMS),
        (cut_sums, artefacts.CHECKSUMS),
        (lambda folder: (folder / artefacts.CHECKSUMS).write_bytes(b"\xff\xfe\x00"), artefacts.CHECKSUMS),
        (lambda folder: (folder / artefacts.CHECKSUMS).write_text("one word\n"), artefacts.CHECKSUMS),
    ],
    ids=["bit flipped", "emptied", "file lost", "sums lost", "sums emptied", "sums are bytes", "sums are words"],
)
def test_damage_is_detected_named_and_repaired(capsys, damage, named):
    folder = artefact("models", KEY, one_file())
    assert intact(folder)
    damage(folder)
    capsys.readouterr()
    artefact("models", KEY, one_file("again"))
    message = capsys.readouterr().err
    assert str(folder / named) in message and message.count("\n") == 1
    assert (folder / "result.txt").read_text() == "again"
    assert intact(folder)
    assert files_of(folder) == {"result.txt", artefacts.CHECKSUMS}
    assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == [folder.name]


def test_the_checksums_can_be_checked_by_the_usual_tool():
    folder = artefact("models", KEY, one_file())
    check = subprocess.run(["sha256sum", "-c", artefacts.CHECKSUMS], cwd=folder, capture_output=True, text=True)
    assert check.returncode == 0 and "result.txt: OK" in check.stdout


# Keys ---------------------------------------------------------------------------------------------------------------

SOURCE = '''
"""A module."""

LIMIT = 3
"""What the limit means."""


class Thing:
    """A thing."""

    size: int = 2
    """Its size."""

    def value(self, x):
        """Double."""
        return 2 * x  # twice


def add(a, b):
    """Add."""
    if a:
        # A comment.
        return a + b
    return b
'''


@pytest.fixture
def digest_of(tmp_path):
    count = iter(range(1000))

    def digest(source: str, *names: str) -> str:
        # A new file for each, since Python remembers sources by their path.
        path = tmp_path / f"module{next(count)}.py"
        path.write_text(textwrap.dedent(source))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        try:
            spec.loader.exec_module(module)
            return source_digest([getattr(module, name) for name in names] or [module])
        finally:
            del sys.modules[path.stem]

    return digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Add."""', '"""Add two numbers.\n\n    At length.\n    """'),
        ('    """Double."""\n', "\n"),
        ('"""A thing."""', '"""Another word."""'),
        ('"""A module."""', '"""More words."""'),
        ("# A comment.", "# Another comment."),
        ("  # twice", ""),
        ("return a + b", "return (a\n            + b)"),
        ("    return b", "\n    return b"),
        ('"""What the limit means."""', '"""What it means, in better words."""'),
        ('    """Its size."""\n', ""),
    ],
)
def test_words_and_layout_change_no_key(digest_of, old, new):
    assert old in SOURCE
    assert digest_of(SOURCE) == digest_of(SOURCE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("2 * x", "3 * x"),
        ("2 * x", "x * 2"),
        ("a + b", "a - b"),
        ("if a:", "if not a:"),
        ("size: int = 2", "size: int = 3"),
        ("def add(a, b)", "def add(a, b=1)"),
        ("return 2 * x", "return '2 * x'"),
    ],
)
def test_code_changes_the_key(digest_of, old, new):
    assert old in SOURCE
    assert digest_of(SOURCE) != digest_of(SOURCE.replace(old, new))


def test_a_part_stands_for_itself_alone(digest_of):
    changed = SOURCE.replace("2 * x", "3 * x")
    assert digest_of(SOURCE, "add") == digest_of(changed, "add")
    assert digest_of(SOURCE, "Thing") != digest_of(changed, "Thing")
    assert digest_of(SOURCE, "add", "Thing") != digest_of(SOURCE, "Thing", "add")
    method = textwrap.indent("def add(a, b):\n    return a + b\n", "    ")
    assert digest_of(f"class C:\n{method}") != digest_of(SOURCE)


def test_the_key_follows_config_and_code():
    config = {"model": "cnn", "seed": 0, "rates": [0.1, 0.2]}
    key = key_of(config, [artefacts.sha256])
    assert key == key_of(dict(reversed(config.items())), [artefacts.sha256])
    assert len(key) == 64 and set(key) <= set("0123456789abcdef")
    others = [
        key_of(config | {"seed": 1}, [artefacts.sha256]),
        key_of(config | {"rates": [0.2, 0.1]}, [artefacts.sha256]),
        key_of(config | {"more": None}, [artefacts.sha256]),
        key_of(config, [artefacts.seal]),
        key_of(config, [artefacts.sha256, artefacts.seal]),
        key_of(config, []),
    ]
    assert len({key, *others}) == 7


def test_the_key_is_the_same_in_every_process():
    text = "from lib import artefacts; print(artefacts.key_of({'b': 1, 'a': {'x': 2}}, [artefacts.seal]))"
    there = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert there == key_of({"a": {"x": 2}, "b": 1}, [artefacts.seal]) + "\n"
