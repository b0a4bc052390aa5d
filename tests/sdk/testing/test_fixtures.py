"""The fixtures for the tests of applications."""

import os
import subprocess
import sys
from pathlib import Path

import orbdo_sdk.testing as kit

CONFTEST = """
from orbdo_sdk.testing import InMemoryOrb

pytest_plugins = ["orbdo_sdk.testing"]
"""

SUITE = """
from orbdo_sdk.testing import InMemoryOrb


def test_first(in_memory_orb):
    assert isinstance(in_memory_orb, InMemoryOrb)
    in_memory_orb.meter.track("call", "acme")


def test_second(in_memory_orb):
    assert in_memory_orb.events == []
"""


def test_a_suite_gets_a_fresh_orb_for_every_test(tmp_path: Path) -> None:
    """``pytest_plugins`` brings the fixture, also where the kit was imported before, and without any warning."""
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (tmp_path / "test_app.py").write_text(SUITE, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", str(tmp_path)]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    run = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=18
    )
    assert "2 passed" in run.stdout, run.stdout + run.stderr


def test_pytest_is_not_needed() -> None:
    """Where pytest does not run, the kit works without it and has no fixtures."""
    program = (
        "import sys; sys.modules['pytest'] = None; del sys.modules['pytest']\n"
        "import orbdo_sdk.testing as kit\n"
        "assert 'pytest' not in sys.modules and not hasattr(kit, 'in_memory_orb')\n"
        "kit.InMemoryOrb()"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=18)


def test_the_fixture_is_not_among_the_names() -> None:
    """A star import in a suite brings the kit, not the fixture, which pytest finds by itself."""
    assert kit.__all__ == ["InMemoryOrb", "ManualClock", "RecordedEvent"]
    assert hasattr(kit, "in_memory_orb")
