"""The words of every command: what it is called, what it takes, one line of help. What a command does is not known here."""

import argparse
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from grasp_psonet import __version__
from grasp_psonet.commandline.settings_help import Epilog, LazyHelp
from grasp_psonet.stages.commands import READ_ACTIONS, add_import, add_look, add_read, add_revise
from grasp_psonet.stages.steps import NAMES, STEPS

SHELLS = ("bash", "zsh")
TAKES_NO_SETTINGS = ("completion", "doctor", "export", "help", "import", "look", "predict")
_OVERVIEW = """\
start here:
  grasp demo                 the whole story on a drawn cohort, in minutes
  grasp init STUDY           your own study: settings first, then visits.csv and photos.csv
  grasp check STUDY          every fault of the tables and photos at once
  grasp run STUDY            everything in order; what stands is skipped
  grasp help COMMAND         options and settings of a command; grasp help settings: all settings

Any setting can be given by its path: grasp train STUDY --train.epochs 20 --network.encoder vit_base_patch16_224
"""
Command = Callable[[str, str, str], argparse.ArgumentParser]  # name, line of help, next step


def parser_of_all() -> argparse.ArgumentParser:
    """The parser of every command. Settings by path are none of its options."""
    parser = argparse.ArgumentParser(
        prog="grasp",
        description="Which training photos caused each validation error, and what pruning them changes.",
        epilog=_OVERVIEW,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"grasp-psonet {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")

    def command(name: str, text: str, next_step: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            epilog=Epilog(name, next_step),
            formatter_class=LazyHelp,
            allow_abbrev=False,
        )

    for add in (_add_beginnings, _add_stages, _add_run, _add_demo, _add_after, _add_of_studies, _add_of_itself):
        add(command)
    return parser


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parser of each command, by its name."""
    actions = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(actions[0].choices)


def options_of(command: argparse.ArgumentParser) -> list[str]:
    """The options of a command that are no settings, e.g. ``remake``, without their dashes."""
    return [word.removeprefix("--") for word in command._option_string_actions if word.startswith("--")]


def with_action(words: list[str]) -> list[str]:
    """The words, where ``grasp read STUDY`` is short for ``grasp read serve STUDY``."""
    if words[:1] == ["read"] and len(words) > 1 and words[1] not in (*READ_ACTIONS, "-h", "--help"):
        return ["read", "serve", *words[1:]]
    return words


def following(name: str) -> str | None:
    """The step after this one; None after the last."""
    return dict(pairwise(NAMES)).get(name)


def _add_beginnings(command: Command) -> None:
    init = command("init", "a study.yaml with every setting, its default and one line of help", "grasp check STUDY")
    init.add_argument(
        "study", metavar="STUDY", type=Path, nargs="?", help="folder of the study; made if it is not there"
    )
    init.add_argument("--preset", help="demo, tiny or paper: start from these settings")
    init.add_argument("--print", action="store_true", dest="only_print", help="print the settings, write nothing")
    cohort = command("cohort", "a synthetic cohort: photos, tables, and what was planted", "grasp run STUDY")
    _add_study(cohort)
    cohort.add_argument("--preset", help="demo, tiny or paper, where the study has no study.yaml yet")
    check = command("check", "every fault of the tables and photos at once; exit code 1 if any", "grasp run STUDY")
    _add_study(check)
    check.add_argument(
        "--privacy",
        action="store_true",
        help="read every file that was made here, and say what of the originals is in it beside pixels",
    )


def _add_stages(command: Command) -> None:
    for step in STEPS:
        after = following(step.name)
        stage = command(step.name, step.text, f"grasp {after} STUDY" if after else "open STUDY/report/report.html")
        _add_study(stage)
        if step.goes_side_by_side:
            stage.add_argument(
                "--only", action="append", default=[], metavar="NAME", help="this keep list's run alone; repeat it"
            )


def _add_run(command: Command) -> None:
    everything = command("run", "all stages in order, skipping what stands", "open STUDY/report/report.html")
    _add_study(everything)
    everything.add_argument(
        "--revision",
        action="append",
        default=[],
        metavar="NAME",
        help="train on this revision, too, and compare; repeat it",
    )
    everything.add_argument("--until", metavar="STEP", choices=NAMES, help="end with this step")
    everything.add_argument("--dry-run", action="store_true", help="print what would be done and why")
    everything.add_argument(
        "--remake",
        metavar="WHAT",
        choices=("damaged", *NAMES),
        help="make anew what is damaged (reads every byte), or one stage by its name",
    )


def _add_demo(command: Command) -> None:
    demo = command("demo", "init, cohort and run on the demo preset", "open demo-study/report/report.html")
    demo.add_argument(
        "study", metavar="STUDY", type=Path, nargs="?", default=Path("demo-study"), help="default: demo-study"
    )
    demo.add_argument("--preset", help="demo (default), tiny or paper")


def _add_after(command: Command) -> None:
    predict = command("predict", "severity of new visits by a run", "read the table as research, not as a diagnosis")
    export = command("export", "a run as ONNX and torch.export, with a card", "read card.md before you use it")
    for one in (predict, export):
        one.add_argument(
            "run", metavar="RUN", type=Path, help="a run, e.g. STUDY/runs/baseline; or a study: the run it chose"
        )
    predict.add_argument(
        "photos", metavar="PHOTOS", type=Path, help="one folder per visit, photos of one visit, or a table"
    )
    predict.add_argument(
        "--out", type=Path, help="a folder for tables, JSON and a page; or a .csv in place of printing it"
    )
    predict.add_argument(
        "--names", type=Path, help="a .csv to be made: which photo_id is which file; no other output names files"
    )
    export.add_argument("--out", type=Path, help="a folder to be made; default: exports/NAME in the study")


def _add_of_studies(command: Command) -> None:
    add_look(command("look", "contact sheets, distributions and quality of the photos, one page", "grasp run STUDY"))
    add_import(command("import", "tables of a study from a folder, REDCap, or a public set", "grasp check STUDY"))
    rounds = "a round of blinded second readings in a browser, on record"
    add_read(command("read", rounds, "grasp read make-round STUDY NAME"))
    revisions = "readers' decisions become a revision of the labels"
    add_revise(command("revise", revisions, "grasp run STUDY --revision NAME"))


def _add_of_itself(command: Command) -> None:
    command("doctor", "versions, devices, disk, threads, weights available offline", "grasp demo")
    told = command("help", "help on a command, on all settings, or on a setting by its path", "grasp help settings")
    told.add_argument("topic", metavar="TOPIC", nargs="?", help="a command, settings, or a setting such as prune.k")
    completion = command("completion", "a script by which your shell completes commands, options and settings", "")
    completion.add_argument("shell", metavar="SHELL", choices=SHELLS, help="bash or zsh")


def _add_study(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY", type=Path, help="folder of the study")
