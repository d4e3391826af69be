from django.apps import AppConfig


class BanditsConfig(AppConfig):
    name = "bandits"
