"""Alembic's environment: runs on the connection that the caller gives."""
from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=context.config.attributes["metadata"],
                  render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
