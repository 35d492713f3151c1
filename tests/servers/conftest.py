"""One server of each kind for the tests of this folder."""

import pytest

from .servers import running


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    """servers(name): the settings of that server, started at the first call."""
    import contextlib

    with contextlib.ExitStack() as stack:
        started = {}

        def settings(name):
            if name not in started:
                started[name] = stack.enter_context(running(name, tmp_path_factory.mktemp("server") / name))
            return started[name]

        yield settings
