"""The command line: words to a job, faults to messages and exit codes.

Exit codes: 0 done, 1 the input is at fault, 2 usage, 130 interrupted. Nothing heavy is imported before a command runs.
"""

import argparse
import io
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from grasp_psonet import __version__
from grasp_psonet.errors import GraspError
from grasp_psonet.files import is_file_fault
from grasp_psonet.stages.commands import READ_ACTIONS, add_import, add_look, add_read, add_revise, run_command
from grasp_psonet.stages.steps import NAMES, STEPS

if TYPE_CHECKING:
    from grasp_psonet.stages.job import Job

# the parts of the settings tree that a command which is no stage reads first
_SHOWN = {
    "cohort": ("cohort", "cohort_seed", "severity"),
    "revise": ("revise",),
    "check": ("seed", "severity", "tables", "split", "photos"),
}
_OVERVIEW = """\
start here:
  grasp demo                 the whole story on a drawn cohort, in minutes
  grasp init STUDY           your own study: settings first, then visits.csv and photos.csv
  grasp check STUDY          every fault of the tables and photos at once
  grasp run STUDY            everything in order; what stands is skipped

Any setting can be given by its path: grasp train STUDY --train.epochs 20 --network.encoder vit_base_patch16_224
"""


def main(words: list[str] | None = None) -> int:
    """Runs one command; the exit code."""
    parser = _parser()
    known, rest = parser.parse_known_args(_with_action(sys.argv[1:] if words is None else words))
    if known.command is None:
        parser.print_help()
        return 0
    overrides = _overrides(parser, rest)
    if overrides and known.command in ("doctor", "export", "import", "look", "predict"):
        parser.error(f"{known.command} takes no settings (--{next(iter(overrides))})")
    try:
        return _run(known, overrides)
    except GraspError as error:
        sys.stderr.write(f"grasp {known.command}: {error}\n")
        return 1
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; run the same command again to go on\n")
        return 130
    except Exception as error:
        if not is_file_fault(error):
            raise  # a fault of the program
        told = error.strerror if isinstance(error, OSError) and error.strerror else str(error).partition("\n")[0]
        where = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
        sys.stderr.write(f"grasp {known.command}: {told}{where}\n  next: check the path, rights and free space\n")
        return 1


def entry() -> NoReturn:
    """The console script; letters that the terminal's locale does not have are written as their codes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    raise SystemExit(main())


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="grasp",
        description="Which training photos caused each validation error, and what pruning them changes.",
        epilog=_OVERVIEW,
        formatter_class=raw,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"grasp-psonet {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")

    def command(name: str, text: str, next_step: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            epilog=_Epilog(name, next_step),
            formatter_class=_LazyHelp,
            allow_abbrev=False,
        )

    init = command("init", "a study.yaml with every setting, its default and one line of help", "grasp check STUDY")
    init.add_argument(
        "study", metavar="STUDY", type=Path, nargs="?", help="folder of the study; made if it is not there"
    )
    init.add_argument("--preset", help="demo, tiny or paper: start from these settings")
    init.add_argument("--print", action="store_true", dest="only_print", help="print the settings, write nothing")
    cohort = command("cohort", "a synthetic cohort: photos, tables, and what was planted", "grasp run STUDY")
    cohort.add_argument("study", metavar="STUDY", type=Path, help="folder of the study")
    cohort.add_argument("--preset", help="demo, tiny or paper, where the study has no study.yaml yet")
    check = command("check", "every fault of the tables and photos at once; exit code 1 if any", "grasp run STUDY")
    check.add_argument("study", metavar="STUDY", type=Path, help="folder of the study")
    check.add_argument(
        "--privacy",
        action="store_true",
        help="read every file that was made here, and say what of the originals is in it beside pixels",
    )
    for step in STEPS:
        following = _following(step.name)
        stage = command(
            step.name, step.text, f"grasp {following} STUDY" if following else "open STUDY/report/report.html"
        )
        stage.add_argument("study", metavar="STUDY", type=Path, help="folder of the study")
        if step.goes_side_by_side:
            stage.add_argument(
                "--only", action="append", default=[], metavar="NAME", help="this keep list's run alone; repeat it"
            )
    everything = command("run", "all stages in order, skipping what stands", "open STUDY/report/report.html")
    everything.add_argument("study", metavar="STUDY", type=Path, help="folder of the study")
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
    demo = command("demo", "init, cohort and run on the demo preset", "open demo-study/report/report.html")
    demo.add_argument(
        "study", metavar="STUDY", type=Path, nargs="?", default=Path("demo-study"), help="default: demo-study"
    )
    demo.add_argument("--preset", help="demo (default), tiny or paper")
    _add_predict(
        command("predict", "severity of new visits by a run", "read the table as research, not as a diagnosis")
    )
    _add_export(command("export", "a run as ONNX and torch.export, with a card", "read card.md before you use it"))
    add_look(command("look", "contact sheets, distributions and quality of the photos, one page", "grasp run STUDY"))
    add_import(command("import", "tables of a study from a folder, REDCap, or a public set", "grasp check STUDY"))
    add_read(
        command(
            "read", "a round of blinded second readings in a browser, on record", "grasp read make-round STUDY NAME"
        )
    )
    add_revise(
        command("revise", "readers' decisions become a revision of the labels", "grasp run STUDY --revision NAME")
    )
    command("doctor", "versions, devices, disk, threads, weights available offline", "grasp demo")
    return parser


def _with_action(words: list[str]) -> list[str]:
    """The words, where ``grasp read STUDY`` is short for ``grasp read serve STUDY``."""
    if words[:1] == ["read"] and len(words) > 1 and words[1] not in (*READ_ACTIONS, "-h", "--help"):
        return ["read", "serve", *words[1:]]
    return words


def _add_predict(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run", metavar="RUN", type=Path, help="a run, e.g. STUDY/runs/baseline; or a study: the run it chose"
    )
    parser.add_argument(
        "photos", metavar="PHOTOS", type=Path, help="one folder per visit, photos of one visit, or a table"
    )
    parser.add_argument(
        "--out", type=Path, help="a folder for tables, JSON and a page; or a .csv in place of printing it"
    )
    parser.add_argument(
        "--names", type=Path, help="a .csv to be made: which photo_id is which file; no other output names files"
    )


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run", metavar="RUN", type=Path, help="a run, e.g. STUDY/runs/baseline; or a study: the run it chose"
    )
    parser.add_argument("--out", type=Path, help="a folder to be made; default: exports/NAME in the study")


class _Epilog(str):
    """What follows the options of a command's help; its settings are looked up only when help is shown."""

    __slots__ = ("command",)
    command: str

    def __new__(cls, command: str, next_step: str) -> "_Epilog":
        made = super().__new__(cls, f"next: {next_step}\n")
        made.command = command
        return made


class _LazyHelp(argparse.RawDescriptionHelpFormatter):
    def add_text(self, text: str | None) -> None:
        if isinstance(text, _Epilog):
            shown = {step.name: step.shown for step in STEPS} | _SHOWN
            super().add_text(_settings_help(shown.get(text.command, ())))
        super().add_text(text)


def _settings_help(parts: tuple[str, ...]) -> str:
    if not parts:
        return ""
    from grasp_psonet.settings import dotted_paths

    lines = ["settings (in study.yaml, or here by path):"]
    for dotted, (text, default) in dotted_paths().items():
        if any(dotted == part or dotted.startswith(part + ".") for part in parts):
            shown = list(default) if isinstance(default, tuple) else default
            lines.append(f"  --{dotted} {'' if shown is None else shown}\n        {text}")
    return "\n".join(lines)


def _overrides(parser: argparse.ArgumentParser, rest: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    words = iter(rest)
    for word in words:
        if not word.startswith("--"):
            parser.error(f"unexpected word {word!r}")
        name, equals, value = word.removeprefix("--").partition("=")
        if not equals:
            following = next(words, None)
            if following is None:
                parser.error(f"--{name} is no option of this command, and as a setting it needs a value")
            value = following
        found[name] = value
    return found


def _run(known: argparse.Namespace, overrides: dict[str, str]) -> int:
    from grasp_psonet.progress import show_plainly

    show_plainly()
    match known.command:
        case "doctor":
            from grasp_psonet.stages.checking.doctor import doctor

            sys.stdout.write("\n".join(doctor()) + "\n")
        case "export" | "import" | "look" | "predict" | "read" | "revise":
            run_command(known, overrides)
        case "init":
            from grasp_psonet.stages.init import init

            init(known.study, known.preset, known.only_print, overrides)
        case "check":
            if known.privacy:
                from grasp_psonet.stages.checking.privacy import check_privacy

                return check_privacy(_job(known.study, overrides))
            from grasp_psonet.stages.checking.check import check

            return check(_job(known.study, overrides))
        case "cohort":
            from grasp_psonet.stages.cohort import make_cohort
            from grasp_psonet.stages.init import init_if_absent

            init_if_absent(known.study, known.preset, overrides)
            make_cohort(_job(known.study, overrides))
        case "demo":
            _demo(known, overrides)
        case "run":
            from grasp_psonet.stages.pipeline import plan, run_all

            job = _job(known.study, overrides, known.revision)
            if known.dry_run:
                sys.stdout.write("\n".join(plan(job, known.remake, known.until)) + "\n")
            else:
                run_all(job, remake=known.remake, until=known.until)
                _say_next(known.until) if known.until else _say_summary(job)
        case name:
            from grasp_psonet.stages.pipeline import make_step

            job = _job(known.study, overrides)
            make_step(job, name, getattr(known, "only", ()))
            _say_next(name)
    return 0


def _job(study: Path, overrides: dict[str, str], revisions: Sequence[str] = ()) -> "Job":
    from grasp_psonet.stages.opening import open_job

    return open_job(study, overrides, revisions)


def _demo(known: argparse.Namespace, overrides: dict[str, str]) -> None:
    from grasp_psonet.stages.cohort import make_cohort
    from grasp_psonet.stages.init import init_if_absent
    from grasp_psonet.stages.pipeline import run_all

    init_if_absent(known.study, known.preset, overrides)
    job = _job(known.study, overrides)
    make_cohort(job)
    run_all(job)
    _say_summary(job)


def _say_summary(job: "Job") -> None:
    from grasp_psonet.stages.makers.report.summary import summary

    sys.stdout.write(summary(job) + "\n")


def _say_next(name: str) -> None:
    following = _following(name)
    sys.stderr.write(
        f"next: grasp {following} STUDY\n" if following else "next: open report/report.html of the study\n"
    )


def _following(name: str) -> str | None:
    """The step after this one; None after the last."""
    return dict(pairwise(NAMES)).get(name)
