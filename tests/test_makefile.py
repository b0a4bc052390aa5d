"""The Makefile: every target explains itself, and a Python that is too old is refused in words."""

import os
import re
import subprocess
from pathlib import Path

from tests.support.documents import make_targets
from tests.support.source import ROOT

MAKEFILE = ROOT / "Makefile"


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What `make` says in the checkout; nothing here builds an environment."""
    # `make test` runs this too, and a make inside a make would take over its variables and say where it is.
    environment = {
        name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    }
    return subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True, check=False, env=environment)


def test_the_promised_targets_exist() -> None:
    """What the README and .ci/run call is there."""
    assert {"demo", "test", "bench", "check", "serve", "test-crash", "lock", "clean"} <= make_targets(MAKEFILE)


def test_every_target_is_listed_with_a_sentence() -> None:
    """`make` alone lists all targets and what each is for."""
    listed = {line.split()[0] for line in make().stdout.splitlines() if len(line.split()) > 2}
    assert listed == make_targets(MAKEFILE)


def test_every_target_makes_the_environment_first() -> None:
    """On a fresh checkout any target works; only help and clean do without the virtual environment."""
    rules = re.findall(r"^([a-z-]+):(?!=)([^#\n]*)", MAKEFILE.read_text(encoding="utf-8"), re.MULTILINE)
    without = {target for target, needed in rules if "$(INSTALLED)" not in needed}
    assert without == {"help", "clean"}


def test_a_python_that_is_too_old_is_refused(tmp_path: Path) -> None:
    """The message says what is needed, what was found and how to name another Python; nothing is made."""
    old = tmp_path / "python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.10.1 && exit 0\nexit 1\n', encoding="utf-8")
    old.chmod(0o755)
    refused = make("venv", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}")
    assert refused.returncode == 2
    assert f"orbdo needs CPython 3.11 or newer, and '{old}' is Python 3.10.1." in refused.stderr
    assert "make PYTHON=python3.12" in refused.stderr
    assert not (tmp_path / "venv").exists()
