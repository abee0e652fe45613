"""The stub file says what the compiled module is: names, kinds, parameters, defaults."""

import subprocess
import sys
from pathlib import Path

# pyo3 makes one; nobody imports it.
ALLOWED = "fastgate._core.__all__\n"


def test_the_stub_and_the_module_agree(tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.write_text(ALLOWED)
    stubtest = [sys.executable, "-m", "mypy.stubtest", "fastgate._core", "--allowlist", str(allowed)]
    done = subprocess.run(stubtest, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
