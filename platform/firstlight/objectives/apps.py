from django.apps import AppConfig


class ObjectivesConfig(AppConfig):
    name = "firstlight.objectives"
    label = "objectives"
