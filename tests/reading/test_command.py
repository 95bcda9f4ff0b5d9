"""`grasp read` as a command: what it loads, what it refuses, and a server that is killed."""

import contextlib
import email.message
import http.client
import json
import re
import ssl
import subprocess
import sys
import tomllib
import urllib.parse
from pathlib import Path
from typing import Any

import pytest

from benchmarks.reading_app.app_study import grasp
from benchmarks.reading_app.served import Browser, Server
from grasp_psonet.cli import main
from grasp_psonet.errors import SettingsError
from grasp_psonet.reading.app.configure import set_up
from grasp_psonet.reading.place import AppPlace
from grasp_psonet.stages.reading import Listening
from tests.reading.played_study import make_study

pytestmark = pytest.mark.long

_SHUT_OUT = """
import sys
sys.modules.update(dict.fromkeys({names!r}))  # as if they were not installed
from grasp_psonet.cli import main
sys.exit(max(main(words) for words in {commands!r}))
"""


def run_without(names: tuple[str, ...], *commands: list[str]) -> "subprocess.CompletedProcess[str]":
    """Commands one after the other in a process that cannot load these packages."""
    source = _SHUT_OUT.format(names=names, commands=commands)
    return subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)


@pytest.mark.process
def test_rounds_are_made_without_torch(tmp_path: Path) -> None:
    study = str(make_study(tmp_path / "study"))
    heavy = ("torch", "timm", "torchvision")
    made = run_without(
        heavy,
        *(["read", "add-user", study, name, "--role", "reader"] for name in ("rita", "rob")),
        ["read", "make-round", study, "one", "--readers", "rita,rob", "--reading.adjudicate", "none"],
        ["read", "verify", study],
    )
    assert made.returncode == 0, made.stderr


@pytest.mark.process
def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    answer = run_without(("axes",), ["read", "verify", str(tmp_path)])
    assert answer.returncode == 1
    assert "grasp-psonet[reading]" in answer.stderr
    assert run_without(("django", "axes", "gunicorn", "torch"), ["read", "--help"]).returncode == 0


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ({"host": "0.0.0.0"}, "in the clear"),
        ({"host": "192.0.2.7"}, "in the clear"),
        ({"host": "reading.example.org"}, "in the clear"),
        ({"host": "0.0.0.0", "behind_proxy": True}, "needs its name"),
        ({"port": 0}, "--port"),
        ({"tls_cert": Path("cert.pem")}, "go together"),
        ({"tls_cert": Path("none.pem"), "tls_key": Path("none.pem")}, "is no file"),
        ({"workers": 0}, "--workers"),
    ],
)
def test_listening_in_the_clear_is_refused(told: dict[str, Any], wanted: str) -> None:
    with pytest.raises(SettingsError, match=wanted):
        Listening(**told)
    assert Listening(host="::1").reach.is_secure is False
    assert Listening(behind_proxy=True, hosts=("reading.example.org",)).reach.hosts == ("reading.example.org",)


def test_words_that_mean_nothing_are_refused(tmp_path: Path, capsys: Any) -> None:
    assert main(["read", "verify", str(tmp_path)]) == 1
    assert "has no reading app yet" in capsys.readouterr().err
    assert main(["read", "verify", str(tmp_path), "--seed", "2"]) == 1
    assert "takes no settings" in capsys.readouterr().err
    assert main(["read", "add-user", str(tmp_path / "none"), "rita", "--role", "reader"]) == 1
    assert "is not a folder" in capsys.readouterr().err
    for url in ("mysql://x/y", "postgresql://x", "postgresql://x:port/y"):
        assert main(["read", "add-user", str(tmp_path), "rita", "--role", "reader", "--database", url]) == 1
        assert "wanted: postgresql://" in capsys.readouterr().err
    for name in ("R", "rita!", "../x", "a" * 50):
        assert main(["read", "add-user", str(tmp_path), name, "--role", "reader"]) == 1
        assert "wanted 2 to 40" in capsys.readouterr().err


def test_an_answer_is_on_the_disk_before_it_is_acknowledged(tmp_path: Path) -> None:
    set_up(AppPlace(tmp_path))
    from django.db import connection, connections

    with connection.cursor() as cursor:
        told = [
            cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    connections.close_all()
    assert told == ["wal", 2, 1], "2 is FULL: a commit waits until the disk has it"


def test_a_damaged_database_is_told(tmp_path: Path, capsys: Any) -> None:
    assert main(["read", "add-user", str(tmp_path), "rita", "--role", "reader"]) == 0
    database = tmp_path / "reading-app" / "reading.sqlite3"
    for beside in database.parent.glob("reading.sqlite3-*"):
        beside.unlink()
    database.write_bytes(b"no database" * 1000)
    capsys.readouterr()
    assert main(["read", "verify", str(tmp_path)]) == 1
    assert "cannot be used: file is not a database" in capsys.readouterr().err


@pytest.mark.process
@pytest.mark.whole
def test_a_killed_server_loses_and_doubles_nothing(memory_folder: Path) -> None:
    from benchmarks.reading_app.killed import killed

    found = killed(memory_folder, num_kills=3, seed=1)
    assert found["num_acknowledged"] >= 3, found
    assert (found["num_kills"], found["num_lost"], found["num_doubled"]) == (3, 0, 0)


@pytest.mark.process
@pytest.mark.whole
def test_with_a_certificate_it_speaks_tls_alone(memory_folder: Path) -> None:
    study, cert, key = memory_folder / "tls", memory_folder / "cert.pem", memory_folder / "key.pem"
    study.mkdir()
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=reading.test"]
    made += ["-addext", "subjectAltName=DNS:reading.test,IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(made, check=True, capture_output=True)
    password = grasp("read", "add-user", str(study), "cora", "--role", "coordinator", "--full-name", "Cora")
    server = Server(
        study, ["--tls-cert", str(cert), "--tls-key", str(key), "--allow", "reading.test", "--workers", "1"]
    )
    trusting = ssl.create_default_context(cafile=str(cert))
    try:
        server.start(is_up=lambda: _over_tls(server.port, trusting)[0] == 200)
        status, headers = _over_tls(server.port, trusting)
        assert status == 200
        assert headers["Strict-Transport-Security"] == "max-age=31536000"
        assert "Secure" in headers["Set-Cookie"]
        session = _signed_in_over_tls(server.port, trusting, "cora", password)
        assert {"Secure", "HttpOnly", "SameSite=Strict"} <= set(session.split("; ")), session
        with pytest.raises(ssl.SSLCertVerificationError):
            _over_tls(server.port, ssl.create_default_context())
        assert _over_tls(server.port, trusting, host="elsewhere.test")[0] == 400, "a name that was not allowed"
        with contextlib.suppress(OSError):  # what speaks no TLS gets no page, whatever it is told
            assert Browser(server.port).get("/sign-in/")[0] == 400
    finally:
        server.kill()


def _signed_in_over_tls(port: int, trusting: ssl.SSLContext, name: str, password: str) -> str:
    """The cookie of the session that begins."""
    cookie = _over_tls(port, trusting)[1]["Set-Cookie"].partition(";")[0]
    form = {"username": name, "password": password, "csrfmiddlewaretoken": cookie.partition("=")[2]}
    headers = {
        "Host": "reading.test",
        "Cookie": cookie,
        "Referer": "https://reading.test/sign-in/",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=trusting, timeout=30)
    try:
        connection.request("POST", "/sign-in/", urllib.parse.urlencode(form), headers)
        answer = connection.getresponse()
        assert answer.status == 302, answer.read()
        return next(told for told in answer.headers.get_all("Set-Cookie", []) if told.startswith("session"))
    finally:
        connection.close()


def _over_tls(port: int, trusting: ssl.SSLContext, host: str = "reading.test") -> tuple[int, email.message.Message]:
    """Status and headers of the sign-in page."""
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=trusting, timeout=30)
    try:
        connection.request("GET", "/sign-in/", headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.headers
    finally:
        connection.close()


def test_the_container_file_runs_commands_that_there_are(tmp_path: Path, capsys: Any) -> None:
    """No image is built here: its command is one that the program takes, and what it installs is declared."""
    root = Path(__file__).parents[2]
    lines = (root / "Containerfile").read_text(encoding="utf-8").splitlines()
    told = {line.split(" ", 1)[0]: line.split(" ", 1)[1] for line in lines if line and not line.startswith("#")}
    program, *words = json.loads(told["ENTRYPOINT"]) + json.loads(told["CMD"])
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert program in project["scripts"]
    assert told["VOLUME"] in words
    assert main([word.replace(told["VOLUME"], str(tmp_path / "none")) for word in words]) == 1
    assert "none is not a folder" in capsys.readouterr().err, "the words are taken; this machine has no study there"
    assert told["EXPOSE"] == str(Listening().port)
    copied = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    assert copied
    assert all((root / word).exists() for word in copied)
    carried = (root / ".containerignore").read_text(encoding="utf-8").splitlines()
    assert {f"!{word}" for word in copied} == {line for line in carried if line.startswith("!")}
    extras = re.findall(r"/source\[([a-z,-]+)\]", "\n".join(lines))[0].split(",")
    assert set(extras) <= project["optional-dependencies"].keys()
    assert {"reading", "reading-sign-on", "reading-postgresql"} == set(extras)
