"""The printed summary at the end of a run: what was removed, what it changed, where the report lies."""

from grasp_psonet.files import read_json
from grasp_psonet.proof import proven
from grasp_psonet.stages.job import Job
from grasp_psonet.tables.columns import VALUE, val_column

_LONGEST_ABBREVIATION = 3


def summary(job: Job) -> str:
    """A few lines of plain words, from results.json."""
    numbers = read_json(proven(job.study.report) / "results.json")
    arms = {arm["name"]: arm for arm in numbers["arms"]}
    chosen, baseline = arms[numbers["chosen"]], numbers["arms"][0]
    ranking = " in one ranking" if numbers["has_one_ranking"] else ""
    epochs = " of all recorded epochs" if numbers["of_every_epoch"] else ""
    main = next(name for name in baseline["figures"][0] if val_column(name) in baseline)
    others = [name for name in baseline["figures"][0] if name != main and not name.endswith("_difference")]
    what = f"{numbers['num_queries']} wrongly answered validation visits{epochs}"
    lines = [f"{what} traced{ranking} with formula {numbers['formula']}"]
    if chosen is baseline:
        tried = any(arm["kind"] == "pruned" for arm in numbers["arms"])
        noise = " by more than its noise" if numbers["min_gain_se"] else ""
        why = (
            f"no pruning beat the baseline's validation {_word(main)}{noise}"
            if tried
            else "no keep list removes a photo"
        )
        lines.append(f"{why}: every photo stays (k = 0)")
    else:
        share = 100 * chosen["removed"] / numbers["train_photos"]
        lines.append(
            f"chosen k = {chosen['k']}: {chosen['removed']} of {numbers['train_photos']} photos removed ({share:.1f} %)"
        )
    for entry in numbers["removal_warnings"]:
        of = "what was removed" if entry["is_chosen"] else f"{entry['run']}, not chosen"
        lines += [f"warning of {of}: {text}" for text in entry["warnings"]]
    for arm in numbers["arms"]:
        words = [
            f"{arm['name']:>24}  removed {arm['removed']:>5}  validation {_word(main)} {_shown(arm[val_column(main)])}"
        ]
        for reader, figures in zip(numbers["readers"], arm["figures"], strict=True):
            named = [f"{_word(name)} {_shown(figures[name][VALUE])}" for name in (main, *others)]
            words.append(f"{reader}: {', '.join(named)}")
        lines.append("  ".join(words))
    lines.append(f"report: {job.study.report / 'report.html'}")
    return "\n".join(lines)


def _word(figure: str) -> str:
    """The name of a figure as a word: AUC, kappa. Its long name stands on the page; looking it up would load pandas."""
    return figure.upper() if len(figure) <= _LONGEST_ABBREVIATION else figure


def _shown(value: float | None) -> str:
    return "not estimable" if value is None else f"{value:.3f}"
