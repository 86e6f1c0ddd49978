import shutil
import subprocess

import pytest

from kettlingard.unit import Wish, units


def test_a_system_unit_has_what_keeps_services_alive():
    text = units(Wish("/usr/bin/kettlingard", system=True))
    for line in (
        "Type=notify-reload",
        "ExecStart=/usr/bin/kettlingard up --system",
        "KillMode=process",
        "OOMPolicy=continue",
        "Delegate=yes",
        "Restart=always",
        "TimeoutStopSec=90",
        "WantedBy=multi-user.target",
    ):
        assert line in text.splitlines()
    assert "FileDescriptorStoreMax" not in text
    assert "[Socket]" not in text


def test_a_user_unit_with_a_socket_and_a_store():
    text = units(Wish("/my home/k%d", system=False, socket=True, fdstore=16))
    assert 'ExecStart="/my home/k%%d" up --user' in text
    assert "FileDescriptorStoreMax=16" in text
    assert "ListenStream=%t/kettlingard/control.sock" in text
    assert "FileDescriptorName=control" in text
    assert "WantedBy=default.target" in text


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_understands_it(tmp_path):
    program = shutil.which("true")
    path = tmp_path / "kettlingard.service"
    path.write_text(units(Wish(program, system=True)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    complaints = [line for line in done.stderr.splitlines() if "kettlingard.service" in line]
    known = [line for line in complaints if "notify-reload" not in line]  # older than 253
    assert not known, done.stderr
