"""What came later: a column, an index, a table."""
import sqlalchemy as sa
from alembic import op

from sqlalchemy_app import metadata

revision = "0002"
down_revision = "0001"


def upgrade():
    with op.batch_alter_table("account") as batch:
        batch.add_column(sa.Column("nickname", sa.String(20), nullable=True, server_default="none"))
        batch.create_index("ix_account_born", ["born"])
    metadata.tables["node"].create(op.get_bind())


def downgrade():
    raise NotImplementedError
