from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "firstlight.accounts"
    label = "accounts"
