"""The printed summary at the end of a run: what was removed, what it changed, where the report lies."""

from grasp_psonet.evidence.figures import figures_of
from grasp_psonet.files import read_json
from grasp_psonet.proof import proven
from grasp_psonet.report.texts import texts_of
from grasp_psonet.stages.job import Job
from grasp_psonet.tables.columns import VALUE, val_column


def summary(job: Job) -> str:
    """A few lines of plain words, from results.json."""
    numbers = read_json(proven(job.study.report) / "results.json")
    arms = {arm["name"]: arm for arm in numbers["arms"]}
    chosen, baseline = arms[numbers["chosen"]], numbers["arms"][0]
    ranking = " in one ranking" if numbers["has_one_ranking"] else ""
    epochs = " of all recorded epochs" if numbers["of_every_epoch"] else ""
    told = figures_of(job.outcome)
    main, column = told.chooser.word, val_column(told.choosing)
    others = [name for name in told.shown if name != told.choosing]
    what = f"{numbers['num_queries']} {texts_of(job.outcome).missed} validation visits{epochs}"
    lines = [f"{what} traced{ranking} with formula {numbers['formula']}"]
    if chosen is baseline:
        tried = any(arm["kind"] == "pruned" for arm in numbers["arms"])
        noise = " by more than its noise" if numbers["min_gain_se"] else ""
        why = f"no pruning beat the baseline's validation {main}{noise}" if tried else "no keep list removes a photo"
        lines.append(f"{why}: every photo stays (k = 0)")
    else:
        share = 100 * chosen["removed"] / numbers["train_photos"]
        lines.append(
            f"chosen k = {chosen['k']}: {chosen['removed']} of {numbers['train_photos']} photos removed ({share:.1f} %)"
        )
    for arm in numbers["arms"]:
        words = [f"{arm['name']:>24}  removed {arm['removed']:>5}  validation {main} {_shown(arm[column])}"]
        for reader, figures in zip(numbers["readers"], arm["figures"], strict=True):
            named = [
                f"{told.metrics[name].in_sentence} {_shown(figures[name][VALUE])}" for name in (told.choosing, *others)
            ]
            words.append(f"{reader}: {', '.join(named)}")
        lines.append("  ".join(words))
    lines.append(f"report: {job.study.report / 'report.html'}")
    return "\n".join(lines)


def _shown(value: float | None) -> str:
    return "not estimable" if value is None else f"{value:.3f}"
