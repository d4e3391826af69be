from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "firstlight.catalog"
    label = "catalog"
