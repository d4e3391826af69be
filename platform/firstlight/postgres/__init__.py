"""What is PostgreSQL's own: the embedded server, advisory locks, tables that only grow."""
