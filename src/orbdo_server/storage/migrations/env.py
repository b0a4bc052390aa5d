"""Where Alembic begins: it runs on the connection it is given and nowhere else."""

from alembic import context

from orbdo_server.storage.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
