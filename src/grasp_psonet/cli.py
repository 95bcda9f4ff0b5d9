"""The command line: words to a job, faults to messages and exit codes.

Exit codes: 0 done, 1 the input is at fault, 2 usage, 130 interrupted. Nothing heavy is imported before a command runs.
"""

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from grasp_psonet.commandline.topics import did_you_mean, help_on
from grasp_psonet.commandline.words import (
    TAKES_NO_SETTINGS,
    commands_of,
    following,
    options_of,
    parser_of_all,
    with_action,
)
from grasp_psonet.errors import GraspError
from grasp_psonet.files import is_file_fault
from grasp_psonet.stages.commands import run_command

if TYPE_CHECKING:
    from grasp_psonet.stages.job import Job


def main(words: list[str] | None = None) -> int:
    """Runs one command; the exit code."""
    parser = parser_of_all()
    words = with_action(sys.argv[1:] if words is None else words)
    _refuse_unknown_command(parser, words)
    known, rest = parser.parse_known_args(words)
    if known.command in (None, "help"):
        sys.stdout.write(help_on(parser, getattr(known, "topic", None)))
        return 0
    overrides = _overrides(parser, known.command, rest)
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


def _refuse_unknown_command(parser: argparse.ArgumentParser, words: list[str]) -> None:
    """Ends the program with the nearest command where the first word is none."""
    first, commands = next(iter(words), "-"), commands_of(parser)
    if not first.startswith("-") and first not in commands:
        parser.error(f"there is no command {first!r}{did_you_mean(first, commands)}\n  next: grasp help")


def _overrides(parser: argparse.ArgumentParser, command: str, rest: list[str]) -> dict[str, str]:
    """Settings by path. Ends the program for a command without settings, and for what was meant as one of its options."""
    options = options_of(commands_of(parser)[command])
    found: dict[str, str] = {}
    words = iter(rest)
    for word in words:
        if not word.startswith("--"):
            parser.error(f"unexpected word {word!r}")
        name, equals, value = word.removeprefix("--").partition("=")
        meant = did_you_mean(name, options, "--")
        if command in TAKES_NO_SETTINGS:
            parser.error(f"{command} takes no settings (--{name}){meant}")
        if meant and not _is_setting(name):
            parser.error(f"{command} has no option --{name}{meant}")
        following_word = value if equals else next(words, None)
        if following_word is None:
            parser.error(f"--{name} is no option of this command, and as a setting it needs a value")
        found[name] = following_word
    return found


def _is_setting(name: str) -> bool:
    from grasp_psonet.settings import dotted_paths

    return name in dotted_paths()


def _run(known: argparse.Namespace, overrides: dict[str, str]) -> int:
    from grasp_psonet.progress import show_plainly

    show_plainly()
    match known.command:
        case "completion":
            from grasp_psonet.commandline.completion import completion_script

            sys.stdout.write(completion_script(parser_of_all(), known.shell))
        case "doctor":
            from grasp_psonet.stages.checking.doctor import doctor

            sys.stdout.write("\n".join(doctor()) + "\n")
        case "export" | "import" | "look" | "predict" | "read" | "revise":
            run_command(known, overrides)
        case "init":
            from grasp_psonet.stages.init import init

            init(known.study, known.preset, known.only_print, overrides)
        case "check":
            return _check(known, overrides)
        case "cohort":
            _cohort(known, overrides)
        case "demo":
            _demo(known, overrides)
        case "run":
            _run_all(known, overrides)
        case name:
            from grasp_psonet.stages.pipeline import make_step

            make_step(_job(known.study, overrides), name, getattr(known, "only", ()))
            _say_next(name)
    return 0


def _check(known: argparse.Namespace, overrides: dict[str, str]) -> int:
    if known.privacy:
        from grasp_psonet.stages.checking.privacy import check_privacy

        return check_privacy(_job(known.study, overrides))
    from grasp_psonet.stages.checking.check import check

    return check(_job(known.study, overrides))


def _cohort(known: argparse.Namespace, overrides: dict[str, str]) -> "Job":
    from grasp_psonet.stages.cohort import make_cohort
    from grasp_psonet.stages.init import init_if_absent

    init_if_absent(known.study, known.preset, overrides)
    job = _job(known.study, overrides)
    make_cohort(job)
    return job


def _run_all(known: argparse.Namespace, overrides: dict[str, str]) -> None:
    from grasp_psonet.stages.pipeline import plan, run_all

    job = _job(known.study, overrides, known.revision)
    if known.dry_run:
        sys.stdout.write("\n".join(plan(job, known.remake, known.until)) + "\n")
    else:
        run_all(job, remake=known.remake, until=known.until)
        _say_next(known.until) if known.until else _say_summary(job)


def _job(study: Path, overrides: dict[str, str], revisions: Sequence[str] = ()) -> "Job":
    from grasp_psonet.stages.opening import open_job

    return open_job(study, overrides, revisions)


def _demo(known: argparse.Namespace, overrides: dict[str, str]) -> None:
    from grasp_psonet.stages.pipeline import run_all

    job = _cohort(known, overrides)
    run_all(job)
    _say_summary(job)


def _say_summary(job: "Job") -> None:
    from grasp_psonet.stages.makers.report.summary import summary

    sys.stdout.write(summary(job) + "\n")


def _say_next(name: str) -> None:
    after = following(name)
    sys.stderr.write(f"next: grasp {after} STUDY\n" if after else "next: open report/report.html of the study\n")
