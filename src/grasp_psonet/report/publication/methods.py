"""The methods of a study as a paper tells them: what was done, with the settings that were used. Every figure is a result."""

from grasp_psonet.report.publication.facts import Facts
from grasp_psonet.report.shown import count, percent0

_ERRORS = {"each_anchor": "at some recorded epoch", "kept": "at the kept epoch"}


def methods_of(facts: Facts) -> list[str]:
    """The paragraphs: data, model, influence and pruning, evaluation, software."""
    return [_data(facts), _model(facts), _pruning(facts), _evaluation(facts), _software(facts)]


def _data(facts: Facts) -> str:
    total = facts.tree["total"]
    drawn = "The cohort was drawn by a program and holds no patient. " if facts.tree["is_synthetic"] else ""
    splits = "; ".join(
        f"{word} {facts.counts(name)}"
        for name, word in (("train", "training"), ("val", "validation"), ("test", "test"))
    )
    return (
        f"{drawn}The study holds {count(total['visits'])} visits of {count(total['patients'])} patients with "
        f"{count(total['photos'])} photos. All visits of a patient are in one split: {splits}. The reference is "
        f"{facts.tree['readers'][0]}'s {facts.label}; {facts.readers_agree()}."
    )


def _model(facts: Facts) -> str:
    of = facts.setting
    main = facts.told.chooser.full
    edge = (
        ""
        if of("photos.edge_px") == "?" or facts.is_of_features
        else f", prepared to {of('photos.edge_px')} pixels a side,"
    )
    return (
        f"All photos of a visit{edge} are one bag. The encoder {facts.tree['encoder']} (weights "
        f"{of('network.weights')}, trained: {of('network.train')}) gives each photo a feature, projected to length "
        f"{of('network.feature_length')}; {of('network.attention')} attention pools them, and a head of "
        f"{of('network.head_hidden')} hidden units answers. Training took {of('train.epochs')} epochs of "
        f"{of('train.optimizer.kind')} (learning rate "
        f"{of('train.optimizer.lr')}, weight decay {of('train.optimizer.weight_decay')}), {of('train.visits_per_step')} visits "
        f"a step, sampling {of('train.sampling')}, augmentation by flips ({of('train.augmentation.flip')}), brightness "
        f"{of('train.augmentation.brightness')}, contrast {of('train.augmentation.contrast')} and shift "
        f"{of('train.augmentation.shift')}. The epoch to keep ({of('train.keep')}) was chosen by {main} on validation."
    )


def _pruning(facts: Facts) -> str:
    tree, of = facts.tree, facts.setting
    when = _ERRORS.get(of("trace.errors"), "as set by trace.errors")
    k = of("prune.k")
    text = (
        f"{count(tree['num_queries'])} validation visits that the baseline got wrong {when} were traced to the training photos "
        f"with the influence formula {tree['formula']} (unit {of('trace.unit')}, query {of('trace.query')}). Photos at the "
        f"{tree['end']} end of the ranking, compared within {of('prune.within')}, were removed (prune.k {k}; what leaves: "
        f"{tree['remove']}), and the network was trained again from the same start; controls of the same size: "
        f"{of('prune.controls')}. The removal was chosen by {facts.told.chooser.full} on validation"
    )
    if tree["min_gain_se"]:
        text += f", where it had to lead the baseline by more than {tree['min_gain_se']:g} standard "
        text += f"error{'' if tree['min_gain_se'] == 1 else 's'} of the gain"
    chosen = facts.chosen
    if chosen["kind"] != "pruned":
        return f"{text}; none was chosen, and every photo stays."
    return f"{text}; it was {chosen['name']}, which removes {facts.removed(chosen)}."


def _evaluation(facts: Facts) -> str:
    chosen, base = facts.chosen, facts.arms[0]
    text = f"Figures are of the test split, with {facts.interval()}. The baseline has {', '.join(facts.figures(base))}."
    if chosen is not base and chosen["name"] != base["name"]:
        text += (
            f" The chosen run has {', '.join(facts.figures(chosen))}; paired differences to the baseline (positive = better): "
            f"{', '.join(facts.differences(chosen))}."
        )
    control = facts.tree["control_index"]
    if control is not None:
        text += f" Random removal of the same size has {', '.join(facts.figures(facts.arms[control]))}."
    audit = facts.tree["audit"]
    if audit and audit["rankings"]:
        found = next((one for one in audit["rankings"] if one["name"] == audit["ranking"]), audit["rankings"][0])[
            "found_at"
        ]
        at = percent0(audit["inspected"])
        share = "a share that is not estimable" if found["value"] is None else percent0(found["value"])
        text += (
            f" Training visits were ranked for a second reading by {audit['ranking']}: the first {at} hold {share} of the "
            f"{count(audit['disagreements'])} known disagreements, chance {at}."
        )
    return text


def _software(facts: Facts) -> str:
    seeds = ", ".join(f"{name} {number}" for name, number in facts.tree["making"]["seeds"])
    clock = facts.tree["clock"]
    machine = dict(clock["machine"]) if clock else {}
    on = (
        f" The baseline was trained on {machine['device']} ({machine['processor']})."
        if "processor" in machine and "device" in machine
        else ""
    )
    digest = facts.tree["making"]["data_digest"]
    tables = f" Digest of the tables: {digest}." if digest else ""
    return f"Software: {facts.versions()}. Seeds: {seeds}.{on}{tables}"
