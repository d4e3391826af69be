from django.apps import AppConfig


class ExportsConfig(AppConfig):
    name = "firstlight.exports"
    label = "exports"
