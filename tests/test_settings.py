"""The settings tree: defaults, files, overrides, and letters for what cannot be."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grasp_psonet.errors import SettingsError
from grasp_psonet.presets import PRESETS, preset
from grasp_psonet.setting import as_tree
from grasp_psonet.settings import StudySettings, dotted_paths, load, merged, parse, to_yaml


@pytest.mark.parametrize("name", [None, *PRESETS])
def test_written_settings_read_back_the_same(name: str | None, tmp_path: Path) -> None:
    settings = parse(preset(name) if name else {}, "preset")
    file = tmp_path / "study.yaml"
    file.write_text(to_yaml(settings))
    assert load(file) == settings
    for dotted, (text, _) in dotted_paths().items():
        assert text, f"{dotted} has no help"
        assert f"# {text}" in file.read_text()


def test_the_paper_preset_is_the_papers_recipe() -> None:
    settings = parse(preset("paper"), "preset")
    optimizer = settings.train.optimizer
    assert (optimizer.kind, optimizer.lr, optimizer.weight_decay) == ("adam", 1e-6, 1e-4)
    assert (settings.train.epochs, settings.train.visits_per_step) == (100, 4)
    assert settings.train.sampling == "class_weighted"
    assert (settings.photos.edge_px, settings.network.feature_length) == (224, 768)
    assert settings.prune.k == (100, 200, 300, 400, 500)
    assert (settings.trace.formula, settings.network.mask) == ("paper", "paper")


def test_an_unknown_setting_is_told_with_the_nearest_name() -> None:
    with pytest.raises(
        SettingsError, match=r"train\.optimizer\.lrr: no such setting; did you mean train\.optimizer\.lr\?"
    ):
        parse({"train": {"optimizer": {"lrr": 1}}}, "study.yaml")


def test_the_right_name_in_the_wrong_group_is_found() -> None:
    with pytest.raises(SettingsError, match=r"did you mean train\.optimizer\.lr\?"):
        parse({"train": {"lr": 1}}, "study.yaml")


@pytest.mark.parametrize(("text", "ks"), [("3", (3,)), ("3,6", (3, 6)), ("[3, 6]", (3, 6))])
def test_lists_can_be_given_plainly_on_the_command_line(text: str, ks: tuple[int, ...], tmp_path: Path) -> None:
    assert load(tmp_path / "study.yaml", {"prune.k": text}).prune.k == ks


def test_a_value_that_is_no_yaml_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"photos\.root is '\['"):
        load(tmp_path / "study.yaml", {"photos.root": "["})


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        parse({"train": {"epochs": "many"}, "prune": {"k": [0]}, "zebra": 1}, "study.yaml")
    message = str(caught.value)
    assert message.startswith("3 setting(s) of study.yaml")
    for part in ("train.epochs is 'many'", "setting prune.k is (0,)", "zebra: no such setting"):
        assert part in message


def test_overrides_go_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text("train: {epochs: 7, optimizer: {lr: 0.1}}\n")
    settings = load(file, {"train.optimizer.lr": "1e-5", "prune.k": "[4, 8]", "network.encoder": "demo_vit"})
    assert settings.train.epochs == 7
    assert settings.train.optimizer.lr == 1e-5
    assert settings.prune.k == (4, 8)


@pytest.mark.parametrize("text", ["a: [", "- 1\n- 2\n", "\x00"])
def test_a_file_that_is_no_settings_is_told(text: str, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=r"study\.yaml"):
        load(file)


def test_a_group_given_a_value_and_a_value_given_a_group_are_told() -> None:
    with pytest.raises(SettingsError, match="train"):
        parse({"train": 3}, "study.yaml")
    with pytest.raises(SettingsError, match="seed"):
        parse({"seed": {"a": 1}}, "study.yaml")


@given(st.dictionaries(st.sampled_from("abc"), st.integers() | st.dictionaries(st.sampled_from("abc"), st.integers())))
def test_merging_nothing_changes_nothing(tree: dict[str, object]) -> None:
    assert merged(tree, {}) == tree
    assert merged({}, tree) == tree
    assert merged(tree, tree) == tree


def test_equal_settings_have_equal_trees() -> None:
    assert as_tree(StudySettings()) == as_tree(parse({}, "nothing"))


@pytest.mark.parametrize(
    ("dotted", "text", "told"),
    [
        ("severity.class_column", "null", "severity.class_column is null; wanted: text"),
        ("seed", "x", "seed is 'x'; wanted: a whole number"),
        ("train.epochs", "1.5", "train.epochs is 1.5; wanted: a whole number"),
        ("machine.threads", "", "machine.threads is null; wanted: a whole number"),
        ("severity.cutoffs", "a,b", "severity.cutoffs.0 is 'a'; wanted: a number"),
        ("severity.ties", "lower,lowe", "severity.ties.1 is 'lowe'; wanted: 'lower' or 'upper'"),
        ("severity.score_range", "1", "1 of severity.score_range is missing, which is [1]"),
        ("trace.sum_queries", "maybe", "trace.sum_queries is 'maybe'; wanted: true or false"),
        ("trace.parameters", "5", "trace.parameters is 5; wanted: text or a list"),
    ],
)
def test_a_value_of_another_type_is_told_in_plain_words(dotted: str, text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path / "study.yaml", {dotted: text})
    assert told in str(refused.value)
    assert "Input should" not in str(refused.value)
    assert "pydantic" not in str(refused.value)


@pytest.mark.whole
@pytest.mark.process
@pytest.mark.parametrize("utf8_mode", ["0", pytest.param("1", marks=pytest.mark.nightly)])
def test_letters_of_a_setting_survive_a_plain_locale(utf8_mode: str, tmp_path: Path) -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": utf8_mode, "PYTHONCOERCECLOCALE": "0", "PATH": ""}

    def grasp(*words: bytes | str | Path) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "grasp_psonet", *words]
        return subprocess.run(command, env=plain, capture_output=True, check=False)

    made = grasp("init", tmp_path, "--severity.classes=leicht,mäßig,schwer".encode())
    assert made.returncode == 0, made.stderr
    assert load(tmp_path / "study.yaml").severity.classes == ("leicht", "mäßig", "schwer")
    (tmp_path / "visits.csv").write_text("visit_id,patient_id,severity_reader1\nv1,p1,größer\n", encoding="utf-8")
    checked = grasp("check", tmp_path)
    assert checked.returncode == 1
    assert b"wanted leicht, m" in checked.stdout
    assert b"Traceback" not in checked.stderr
    broken = grasp("check", tmp_path, b"--severity.class_column=Schwere\xe4")
    assert broken.returncode == 1
    assert b"severity.class_column is 'Schwere\\udce4', which is no text in UTF-8" in broken.stderr


def test_settings_that_are_a_pipe_or_a_folder_are_refused_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "study.yaml")
    with pytest.raises(SettingsError, match="is a pipe or a device; wanted a file"):
        load(tmp_path / "study.yaml")
    with pytest.raises(SettingsError, match="is a folder; wanted a file"):
        load(tmp_path)


def test_keys_that_stand_twice_are_told_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text("seed: 1\ntrain:\n  epochs: 3\n  epochs: 5\nphotos: {edge_px: 64}\nseed: 2\n'seed': 3\ntrain: {}\n")
    with pytest.raises(SettingsError) as raised:
        load(file)
    told = str(raised.value)
    assert "3 key(s)" in told
    assert "\n  seed stands in lines 1, 6 and 7\n" in told
    assert "\n  train stands in lines 2 and 8\n" in told
    assert "\n  train.epochs stands in lines 3 and 4\n" in told
    file.write_text("train: &rest\n  epochs: 3\n")
    assert load(file).train.epochs == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "a: &a [x, x]\n"
            + "".join(f"b{n}: &b{n} [{'*a, ' if n == 0 else f'*b{n - 1}, ' * 9}*a]\n" for n in range(9)),
            "alias",
        ),
        ("a: &a [*a]\n", "alias"),
        ("[" * 5000, "not YAML"),
        ("seed: 2024-99-99\n", "not YAML"),
        ("seed: 1\n--- \nseed: 2\n", "not YAML"),
        ("- 1\n", "wanted: settings by name"),
        ("{seed: 1", "not YAML"),
    ],
)
def test_files_that_are_no_settings_are_told_in_bounded_time(text: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=told):
        load(file)
