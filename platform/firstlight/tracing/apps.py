from django.apps import AppConfig


class TracingConfig(AppConfig):
    name = "firstlight.tracing"
    label = "tracing"
