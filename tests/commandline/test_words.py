"""The command line's own words: help on everything, what is near what was mistyped, completion in a real shell."""

import subprocess
from pathlib import Path

import pytest

from grasp_psonet.cli import main
from grasp_psonet.commandline.completion import completion_script
from grasp_psonet.commandline.settings_help import described_settings
from grasp_psonet.commandline.words import commands_of, parser_of_all
from grasp_psonet.errors import SettingsError, StudyError
from grasp_psonet.settings import dotted_paths, load
from grasp_psonet.stages.opening import open_job


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What is said of words that are no use."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_help_on_a_command_is_that_commands_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "run"]) == 0
    helped = capsys.readouterr().out
    assert "--remake WHAT" in helped
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    assert capsys.readouterr().out == helped
    assert main(["help"]) == 0
    overview = capsys.readouterr().out
    assert [name for name in commands_of(parser_of_all()) if f"\n    {name}" not in overview] == []


def test_help_on_settings_names_each_with_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "settings"]) == 0
    lines = capsys.readouterr().out.splitlines()
    named = [line.split()[0].removeprefix("--") for line in lines if line.startswith("  --")]
    assert named == list(dotted_paths())
    assert sum(line.startswith("        values: ") and len(line) >= 20 for line in lines) == len(named)


@pytest.mark.parametrize(
    ("topic", "told"),
    [
        ("machine.threads", "values: a whole number; at least 1"),
        ("photos.edge_px", "values: a whole number; 16 to 4096 pixels"),
        ("trace.formula", "values: one of paper, sgd, adam, adam-step, cosine, unrolled"),
        ("trace.sum_queries", "values: true or false"),
        ("cohort.shortcut", "duplicate, sticker, ruler, jpeg, low_resolution, device, none"),
        ("network.train", "--network.train all"),
        ("prune.controls", "values: a list, each one of random, class, loss"),
        ("prune.cap_per_group", "values: a number, or null; a fraction above 0 up to 1, or empty"),
    ],
)
def test_help_on_a_setting_says_what_it_takes(topic: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", topic]) == 0
    assert told in capsys.readouterr().out


def test_the_words_of_a_choice_are_those_that_are_taken(tmp_path: Path) -> None:
    """Every value that help offers is a value of its type; one that it does not offer is refused."""
    offered = {path: values.choices for path, (_, _, values) in described_settings().items() if values.choices}
    assert len(offered) > 30
    for path in offered:
        with pytest.raises(SettingsError, match=rf"{path} is 'no-such-word'; wanted: "):
            load(tmp_path / "study.yaml", {path: "no-such-word"})
    for path in ("trace.unit", "photos.fit", "prune.within"):
        for word in offered[path]:
            load(tmp_path / "study.yaml", {path: word, "prune.rule": "together"} | COMPANIONS.get((path, word), {}))


COMPANIONS = {("trace.unit", "share"): {"trace.query": "visit"}, ("trace.unit", "edit"): {"trace.query": "visit"}}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["trian", "X"], "there is no command 'trian'; did you mean train?"),
        (["zzz"], "there is no command 'zzz'\n"),
        (["help", "trian"], "no help on 'trian'; did you mean train?"),
        (["help", "prune.kk"], "no help on 'prune.kk'; did you mean prune.k?"),
        (["run", "X", "--remak", "damaged"], "run has no option --remak; did you mean --remake?"),
        (["run", "X", "--dry-rum"], "run has no option --dry-rum; did you mean --dry-run?"),
        (["predict", "X", "Y", "--ou", "Z"], "predict takes no settings (--ou); did you mean --out?"),
        (["completion", "fish"], "choose from"),
        (["run", "X", "--train.epochs"], "as a setting it needs a value"),
    ],
)
def test_what_is_mistyped_is_answered_with_what_is_near(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told in refused(words, capsys)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "parent" / "demo-study"
    (folder / "runs").mkdir(parents=True)
    (folder / "study.yaml").write_text("seed: 1\n")
    return folder


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("demo-study/study.yaml", r"(?s)is a file, and a study is a folder.*name the folder it lies in, .*demo-study$"),
        ("demo-studdy", r"demo-studdy is not a folder; did you mean .*parent/demo-study\?"),
        ("elsewhere", r"elsewhere is not a folder\n  next: `grasp init"),
        (".", r"(?s)is no study, but holds .*parent/demo-study\n  next: name that folder"),
        ("demo-study/runs", r"is a part of the study .*demo-study\n  next: name .*demo-study$"),
        ("lonely.txt", r"(?s)is a file.*name the folder that holds study\.yaml"),
    ],
)
def test_a_path_that_is_no_study_is_answered_with_the_study_near_it(study: Path, place: str, told: str) -> None:
    (study.parent / "lonely.txt").write_text("")
    with pytest.raises(StudyError, match=told):
        open_job(study.parent / place, {})
    assert open_job(study, {}).settings.seed == 1


def test_a_new_folder_inside_a_study_may_be_a_study(study: Path) -> None:
    (study / "second").mkdir()
    assert open_job(study / "second", {"seed": "3"}).settings.seed == 3


@pytest.fixture(scope="module")
def bash_script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    script = tmp_path_factory.mktemp("completion") / "grasp.bash"
    script.write_text(completion_script(parser_of_all(), "bash"))
    return script


@pytest.mark.process
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("grasp tra", {"train", "trace"}),
        ("grasp run demo --until pre", {"prepare"}),
        ("grasp run demo --trace.unit s", {"single", "share"}),
        ("grasp prune demo --prune.wi", {"--prune.within"}),
        ("grasp completion ", {"bash", "zsh"}),
    ],
)
def test_bash_completes(typed: str, offered: set[str], bash_script: Path) -> None:
    words = typed.split(" ")
    asked = (
        f'source "$1"; COMP_WORDS=({" ".join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}; '
        'cur="${COMP_WORDS[COMP_CWORD]}"; _shtab_grasp; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    ran = subprocess.run(["bash", "-c", asked, "bash", bash_script], capture_output=True, text=True, check=True, env={})
    assert ran.stderr == ""
    assert offered <= set(ran.stdout.split())
    assert not set(ran.stdout.split()) - offered - {"-h", "--help"}


def test_zsh_has_a_script_of_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "zsh"]) == 0
    script = capsys.readouterr().out
    assert script.startswith("#compdef grasp")
    assert all(f"_shtab_grasp_{name}_options" in script for name in ("run", "train", "predict"))
    assert "--prune.k" in script
