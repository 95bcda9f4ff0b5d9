"""Commands that are no stage: their words checked, their answer written. What does the work is loaded when they run."""

import argparse
import sys
from pathlib import Path

from grasp_psonet.errors import FileError, SettingsError

KINDS = (
    "folder",
    "redcap",
    "isic-traps",
    "pad-ufes",
    "scin",
    "fitzpatrick17k",
)  # of cohort/importing/kinds.py, named apart so that help loads no pandas


def run_command(known: argparse.Namespace, overrides: dict[str, str]) -> None:
    """Runs the command that these words name; ``overrides``: settings by path, for those that take any."""
    match known.command:
        case "export":
            export(known.run, known.out)
        case "import":
            bring(known)
        case "read":
            from grasp_psonet.stages.reading import read

            read(known, overrides)
        case "revise":
            revise(known.study, known.name, known.source, overrides)
        case "look":
            look(known.study, known.out, known.visits)
        case _:
            predict(known.run, known.photos, known.out, known.names)


def predict(run: Path, photos: Path, out: Path | None, names: Path | None = None) -> None:
    """``grasp predict``: the answers on standard output, in a .csv, or with everything else in a folder. ``names``: a CSV to be
    made that says which photo is which file."""
    is_file = out is not None and out.suffix.lower() == ".csv"
    if out is not None and is_file and (out.is_dir() or not out.parent.is_dir()):
        told = f"--out {out} is a folder" if out.is_dir() else f"--out {out}: there is no folder {out.parent}"
        raise FileError(f"{told}\n  next: name a file in a folder that is there")
    from grasp_psonet.stages.new_visits.predict import predict_visits_in
    from grasp_psonet.stages.new_visits.write import refuse_taken, write_answers, write_new_visits
    from grasp_psonet.tables.safe_csv import write_safe_csv

    if out is not None and not is_file:
        refuse_taken(out)
    if names is not None and (names.exists() or not names.parent.is_dir() or names.suffix.lower() != ".csv"):
        told = "is there already" if names.exists() else "is no .csv in a folder that is there"
        raise FileError(f"--names {names} {told}\n  next: name a new file that ends in .csv")
    new = predict_visits_in(run, photos)
    if names is not None:
        write_safe_csv(new.names, names)
    for note in (*new.new.passed_over, *new.notes[len(new.new.passed_over) :]):
        sys.stderr.write(f"note: {note}\n")
    if out is None or is_file:
        write_answers(new, out)
    else:
        write_new_visits(new, out)
        sys.stderr.write(f"next: open {out / 'predictions.html'}\n")


def export(run: Path, out: Path | None) -> None:
    """``grasp export``: the run's network for other programs, in a folder that is named on standard output."""
    from grasp_psonet.stages.export.make import export_run

    sys.stdout.write(f"{export_run(run, out)}\n")
    sys.stderr.write("next: read card.md there before you use it\n")


def bring(known: argparse.Namespace) -> None:
    """``grasp import``: the tables of a source, written into a study."""
    from grasp_psonet.cohort.importing.request import Request
    from grasp_psonet.stages.bring import bring, columns_of

    request = Request(
        source=known.source,
        photos=known.photos,
        pattern=known.pattern,
        labels=known.labels,
        columns=columns_of(known.column),
        label=known.label,
        classes=tuple(name.strip() for name in known.classes.split(",")) if known.classes else (),
        trap=known.trap,
    )
    bring(known.kind, known.study, request, copies=known.copy)


def add_import(parser: argparse.ArgumentParser) -> None:
    """The words of ``grasp import``."""
    parser.add_argument("kind", metavar="KIND", choices=KINDS, help=", ".join(KINDS))
    parser.add_argument("study", metavar="STUDY", type=Path, help="folder of the study; made if it is not there")
    parser.add_argument("source", metavar="SOURCE", type=Path, help="what you have: a folder, or a table")
    parser.add_argument("--photos", type=Path, help="the folder of the photos, where it is not SOURCE")
    parser.add_argument(
        "--pattern", help="folder: a regular expression for paths, with named groups such as (?P<visit_id>...)"
    )
    parser.add_argument("--labels", type=Path, help="folder: a CSV with visit_id and labels, joined to the visits")
    parser.add_argument(
        "--column", action="append", default=[], metavar="OURS=THEIRS", help="redcap: maps a column; repeat it"
    )
    parser.add_argument("--label", help="pad-ufes, fitzpatrick17k: the column that is the label")
    parser.add_argument("--classes", help="scin, fitzpatrick17k: classes to keep, lowest first, with commas")
    parser.add_argument("--trap", type=int, choices=range(1, 6), help="isic-traps: number of the trap set (default 1)")
    parser.add_argument(
        "--copy", action="store_true", help="copy the photos into the study; else they stay where they are"
    )


def look(study: Path, out: Path | None, num_visits: int) -> None:
    """``grasp look``: the page, whose path is named on standard output."""
    from grasp_psonet.stages.look import look
    from grasp_psonet.stages.opening import open_job

    if num_visits < 1:
        raise SettingsError(f"--visits is {num_visits}\n  next: at least 1")
    page = look(open_job(study, {}), out, num_visits)
    sys.stdout.write(f"{page}\n")


def add_look(parser: argparse.ArgumentParser) -> None:
    """The words of ``grasp look``."""
    parser.add_argument("study", metavar="STUDY", type=Path, help="folder of the study")
    parser.add_argument(
        "--visits", type=int, default=48, help="contact sheets to show (default 48), from every class and split"
    )
    parser.add_argument("--out", type=Path, help="the page; default: look/look.html in the study")


READ_ACTIONS = ("serve", "add-user", "make-round", "verify", "export")
_READ_ROLES = ("coordinator", "reader", "adjudicator", "auditor")


def add_read(parser: argparse.ArgumentParser) -> None:
    """The words of ``grasp read``; without an action it serves."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions", required=True)

    def action(name: str, text: str) -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False)
        made.add_argument("study", metavar="STUDY", type=Path, help="folder of the study")
        made.add_argument(
            "--database",
            metavar="URL",
            help="postgresql://USER:PASSWORD@HOST/NAME, here or in GRASP_READ_DATABASE; default: SQLite in the study",
        )
        return made

    _add_serve(action("serve", "serve the app; what `grasp read STUDY` does"))
    user = action("add-user", "make an account; its one-time password is printed")
    user.add_argument("name", metavar="NAME", help="the account: a-z, 0-9, '.', '_', '-'")
    user.add_argument("--role", required=True, choices=_READ_ROLES, help=", ".join(_READ_ROLES))
    user.add_argument("--full-name", help="stands with signatures; default: NAME")
    make = action("make-round", "make a round from the audit's list; settings of the group reading apply")
    make.add_argument("name", metavar="ROUND", help="the round: a-z, 0-9, '-', '_'")
    make.add_argument("--readers", required=True, help="accounts that read every visit, with commas")
    make.add_argument("--adjudicators", help="accounts that read where readers differ, with commas")
    action("verify", "prove the trail, and name the first broken link")
    export = action("export", "write a locked round into STUDY/readings/ROUND")
    export.add_argument("name", metavar="ROUND", help="the round")


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen at (default 127.0.0.1: this machine alone)"
    )
    parser.add_argument("--port", type=int, default=8000, help="default 8000")
    parser.add_argument("--tls-cert", type=Path, help="certificate in PEM form")
    parser.add_argument("--tls-key", type=Path, help="its key")
    parser.add_argument("--behind-proxy", action="store_true", help="a proxy ends TLS and says so in X-Forwarded-Proto")
    parser.add_argument("--allow", metavar="NAMES", help="names that browsers may ask for, with commas")
    parser.add_argument("--workers", type=int, default=2, help="processes, of 8 threads each (default 2)")
    parser.add_argument(
        "--oidc-issuer", metavar="URL", help="single sign-on: the provider (secret: GRASP_READ_OIDC_SECRET)"
    )
    parser.add_argument("--oidc-client-id", metavar="ID", help="what the provider calls this app")
    parser.add_argument(
        "--oidc-claim", metavar="NAME", help="the claim that is the name of an account (default preferred_username)"
    )
    parser.add_argument("--idle-minutes", type=int, default=20, help="minutes of rest after which a session ends")


def revise(study: Path, name: str, source: Path | None, overrides: dict[str, str]) -> None:
    """``grasp revise``: the revision, and what it changes."""
    from grasp_psonet.stages.opening import open_job
    from grasp_psonet.stages.revise import make_named_revision, say_revision

    job = open_job(study, overrides)
    say_revision(job, name, make_named_revision(job, name, source))


def add_revise(parser: argparse.ArgumentParser) -> None:
    """The words of ``grasp revise``."""
    parser.add_argument("study", metavar="STUDY", type=Path, help="folder of the study")
    parser.add_argument("name", metavar="NAME", help="what the revision is called; never one that stands for others")
    parser.add_argument(
        "--from",
        dest="source",
        metavar="PLACE",
        type=Path,
        help="readings/ROUND of a locked round, or your own table of readings; default: the only round in readings/",
    )
