"""The application as Django knows it."""

from django.apps import AppConfig


class ReadingConfig(AppConfig):
    """Models, signals and pages of reading rounds."""

    name = "grasp_psonet.reading.app"
    label = "reading"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from grasp_psonet.reading.app import sign_ins

        sign_ins.listen()
