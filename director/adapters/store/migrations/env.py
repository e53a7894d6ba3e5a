"""Run by Alembic: hands it the connection that ``migrate.upgrade`` holds open, so that all is one transaction."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
context.run_migrations()
