"""Every kind of outcome by its name in ``severity.outcome``."""

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.pasi_regional import PasiRegional
from grasp_psonet.cohort.pasi_total import PasiTotal
from grasp_psonet.cohort.settings import SeveritySettings
from grasp_psonet.setting import refuse_unless

OUTCOMES: dict[str, type[Outcome]] = {"classes": Outcome, "pasi": PasiTotal}
FORMS: dict[str, dict[str, type[Outcome]]] = {"pasi": {"total": PasiTotal, "regional": PasiRegional}}


def outcome_of(scale: SeveritySettings) -> Outcome:
    """The outcome that a study's settings name. Raises SettingsError for a name that is none."""
    refuse_unless(scale.outcome in OUTCOMES, "severity.outcome", scale.outcome, ", ".join(OUTCOMES))
    kind = FORMS.get(scale.outcome, {}).get(scale.form, OUTCOMES[scale.outcome])
    return kind(scale)
