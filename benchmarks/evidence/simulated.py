"""Simulated test splits whose true figures are known: patients with several visits, two runs that err alike.

Axes: V visits, C classes.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from grasp_psonet.evidence.metrics import Answers

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

VISITS_EACH = (1, 2, 3, 4)
_SHARES_OF_VISITS_EACH = (0.28, 0.24, 0.22, 0.26)  # 2.46 visits a patient: 170 of 69, as in the paper's test split
_OF_PATIENT = 0.6  # variance of severity that the visits of a patient share
# variances of what a run's answer adds to severity; they sum to 1. Both runs share the first two.
_PATIENT_NOISE, _VISIT_NOISE, _RUN_PATIENT_NOISE, _RUN_VISIT_NOISE, _SEED_NOISE = 0.25, 0.35, 0.1, 0.2, 0.1
_NUM_NODES = 7  # of the integral over training seeds


@dataclass(frozen=True)
class Population:
    """What studies are drawn from.

    ``class_shares`` of the visits, lowest class first; ``skills`` of the two runs: how strongly their answers follow
    severity, in standard deviations of their noise; ``seed_sd``: how much that varies between trainings of a run.
    """

    name: str
    class_shares: tuple[float, ...]
    skills: tuple[float, float]
    num_seeds: int = 1
    seed_sd: float = 0.0


@dataclass(frozen=True)
class Study:
    """A test split: the patient of each visit, and the answers of each run and training seed."""

    patient_V: Ints
    answers: tuple[tuple[Answers, ...], ...]


def drawn_study(population: Population, num_patients: int, rng: np.random.Generator) -> Study:
    """A study of so many patients; each run is trained anew with every seed, so its skill varies around its own."""
    visits = _drawn_visits(population, num_patients, rng)
    skills = [
        [skill + population.seed_sd * float(rng.standard_normal()) for _ in range(population.num_seeds)]
        if population.seed_sd
        else [skill] * population.num_seeds
        for skill in population.skills
    ]
    return Study(visits.patient_V, tuple(_answers_of_run(population, visits, of_seed, rng) for of_seed in skills))


@dataclass(frozen=True)
class Truth:
    """Figures of each run in the population, by metric, as means over training seeds; ``seed_sd``: their spread over these."""

    value: dict[str, tuple[float, float]]
    seed_sd: dict[str, tuple[float, float]]


def true_figures(population: Population, num_patients: int, rng: np.random.Generator) -> Truth:
    """The figures of each run over very many patients and all training seeds (Gauss-Hermite over its skill)."""
    visits = _drawn_visits(population, num_patients, rng)
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NUM_NODES if population.seed_sd else 1)
    weights = weights / weights.sum()
    means: dict[str, list[float]] = {"auc": [], "kappa": []}
    spreads: dict[str, list[float]] = {"auc": [], "kappa": []}
    for skill in population.skills:
        of_seed = _answers_of_run(population, visits, (skill + population.seed_sd * nodes).tolist(), rng)
        for metric, of in (("auc", pooled_auc), ("kappa", plain_kappa)):
            values = np.array([of(answers) for answers in of_seed])
            mean = float(weights @ values)
            means[metric].append(mean)
            spreads[metric].append(float(np.sqrt(weights @ (values - mean) ** 2)))
    pairs = [{metric: (both[0], both[1]) for metric, both in of.items()} for of in (means, spreads)]
    return Truth(*pairs)


def pooled_auc(answers: Answers) -> float:
    """Micro AUC by sorting the pool of all visits and classes, which fits a million visits where pairs do not."""
    is_own_VC = np.eye(answers.num_classes, dtype=np.bool)[answers.label]
    other = np.sort(answers.p[~is_own_VC])
    below = np.searchsorted(other, answers.p[is_own_VC], "left")
    not_above = np.searchsorted(other, answers.p[is_own_VC], "right")
    return float((below + not_above).mean() / 2 / len(other))


def plain_kappa(answers: Answers) -> float:
    """Linear kappa from one table of counts."""
    size = answers.num_classes
    counts = np.bincount(answers.label * size + answers.predicted, minlength=size**2).reshape(size, size)
    distance = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    by_chance = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    return float(1 - (counts * distance).sum() / (by_chance * distance).sum())


@dataclass(frozen=True)
class _Visits:
    """``patient_V`` numbers patients, ``shared_V`` is the noise that both runs share."""

    patient_V: Ints
    label_V: Ints
    severity_V: Floats
    shared_V: Floats


def _drawn_visits(population: Population, num_patients: int, rng: np.random.Generator) -> _Visits:
    each = rng.choice(VISITS_EACH, size=num_patients, p=_SHARES_OF_VISITS_EACH)
    patient_V = np.repeat(np.arange(num_patients), each)

    def noise(of_patient: float, of_visit: float) -> Floats:
        by_patient = rng.standard_normal(num_patients)[patient_V]
        drawn: Floats = np.sqrt(of_patient) * by_patient + np.sqrt(of_visit) * rng.standard_normal(len(patient_V))
        return drawn

    severity_V = noise(_OF_PATIENT, 1 - _OF_PATIENT)
    label_V = np.searchsorted(_cuts(population), severity_V).astype(np.int64)
    return _Visits(patient_V, label_V, severity_V, noise(_PATIENT_NOISE, _VISIT_NOISE))


def _answers_of_run(
    population: Population, visits: _Visits, skills: list[float], rng: np.random.Generator
) -> tuple[Answers, ...]:
    """Of each training of one run: its answer is severity times its skill, and noise; classes have a Gaussian each."""
    num_patients = int(visits.patient_V.max()) + 1
    by_patient = rng.standard_normal(num_patients)[visits.patient_V]
    own_V = np.sqrt(_RUN_PATIENT_NOISE) * by_patient + np.sqrt(_RUN_VISIT_NOISE) * rng.standard_normal(len(by_patient))
    edges = [-np.inf, *_cuts(population), np.inf]
    normal = NormalDist()
    density = [0.0 if np.isinf(edge) else normal.pdf(edge) for edge in edges]
    shares_C = np.array(population.class_shares)
    severity_C = (np.array(density[:-1]) - np.array(density[1:])) / shares_C  # the mean severity of each class
    found = []
    for skill in skills:
        noise_V = visits.shared_V + own_V + np.sqrt(_SEED_NOISE) * rng.standard_normal(len(own_V))
        answer_V = skill * visits.severity_V + noise_V
        logit_VC = -((answer_V[:, None] - skill * severity_C) ** 2) / 2 + np.log(shares_C)
        p_VC = np.exp(logit_VC - logit_VC.max(axis=1, keepdims=True))
        p_VC /= p_VC.sum(axis=1, keepdims=True)
        found.append(Answers(p_VC, p_VC.argmax(axis=1), visits.label_V))
    return tuple(found)


def _cuts(population: Population) -> list[float]:
    """The cut-offs of severity between the classes."""
    return [NormalDist().inv_cdf(float(share)) for share in np.cumsum(population.class_shares)[:-1]]
