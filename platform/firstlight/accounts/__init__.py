"""People and their roles, API keys and their scopes, the audit trail."""
