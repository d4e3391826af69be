from django.apps import AppConfig


class MetricsConfig(AppConfig):
    name = "firstlight.metrics"
    label = "metrics"
