"""An app under SQLAlchemy and Alembic.

    sqlalchemy_app.py upgrade URL     alembic upgrade head
    sqlalchemy_app.py fill URL        writes rows through the ORM
    sqlalchemy_app.py dump URL        prints every object as the ORM reads it
    sqlalchemy_app.py insert URL      one new object in every table

The URL is SQLAlchemy's.
"""
import datetime as dt
import decimal
import enum
import os
import sys
import uuid
import warnings

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects import postgresql

warnings.filterwarnings("ignore")
Base = orm.declarative_base()
metadata = Base.metadata


class GUID(sa.types.TypeDecorator):
    """The recipe of SQLAlchemy's documentation: uuid, or char(32)."""
    impl = sa.CHAR
    cache_ok = True

    def load_dialect_impl(self, dialect):
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.UUID())
        return dialect.type_descriptor(sa.CHAR(32))

    def process_bind_param(self, value, dialect):
        if value is None:
            return None
        return str(value) if dialect.name == "postgresql" else value.hex

    def process_result_value(self, value, dialect):
        return None if value is None else uuid.UUID(str(value))


def Tags():
    """An array, kept as JSON where there is none."""
    return sa.JSON(none_as_null=True).with_variant(postgresql.ARRAY(sa.Text), "postgresql")


class Mood(enum.Enum):
    SAD = "sad"
    OK = "ok"
    HAPPY = "very happy"


membership = sa.Table(
    "membership", metadata,
    sa.Column("account_id", sa.ForeignKey("account.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("team_id", sa.ForeignKey("team.id"), primary_key=True),
    sa.Column("since", sa.Date))


class Account(Base):
    __tablename__ = "account"
    id = sa.Column(sa.Integer, primary_key=True)
    email = sa.Column(sa.String(60), unique=True, nullable=False)
    active = sa.Column(sa.Boolean, nullable=False, default=True)
    mood = sa.Column(sa.Enum(Mood, name="mood"))
    size = sa.Column(sa.Enum("S", "M", "L", name="size"))
    created = sa.Column(sa.DateTime, nullable=False, server_default=sa.func.now())
    born = sa.Column(sa.Date)
    wakes = sa.Column(sa.Time)
    allowance = sa.Column(sa.Interval)
    balance = sa.Column(sa.Numeric(12, 2))
    rating = sa.Column(sa.Float)
    small = sa.Column(sa.SmallInteger)
    big = sa.Column(sa.BigInteger)
    photo = sa.Column(sa.LargeBinary)
    settings = sa.Column(sa.JSON)
    pickled = sa.Column(sa.PickleType)
    uid = sa.Column(GUID(), default=uuid.uuid4, unique=True)
    tags = sa.Column(Tags())
    bio = sa.Column(sa.Text)
    boss_id = sa.Column(sa.ForeignKey("account.id"))
    team_id = sa.Column(sa.Integer)
    __table_args__ = (sa.CheckConstraint("small >= 0", name="ck_small"), sa.Index("ix_account_team", "team_id"))


class Team(Base):
    __tablename__ = "team"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.Unicode(40), nullable=False)
    lead_id = sa.Column(sa.ForeignKey("account.id", deferrable=True, initially="DEFERRED"))
    members = orm.relationship(Account, secondary=membership)


class Node(Base):
    __tablename__ = "node"
    id = sa.Column(sa.String(36), primary_key=True)
    kind = sa.Column(sa.String(10), nullable=False)
    payload = sa.Column(sa.JSON().with_variant(postgresql.JSONB, "postgresql"))
    __mapper_args__ = {"polymorphic_on": kind, "polymorphic_identity": "node"}


class Leaf(Node):
    weight = sa.Column(sa.Numeric(8, 3))
    __mapper_args__ = {"polymorphic_identity": "leaf"}


def upgrade(engine):
    from alembic import command, config
    cfg = config.Config()
    cfg.set_main_option("script_location", os.path.join(os.path.dirname(os.path.abspath(__file__)), "alembic"))
    with engine.begin() as connection:
        cfg.attributes["connection"] = connection
        cfg.attributes["metadata"] = metadata
        command.upgrade(cfg, "head")


def account(n, **more):
    return Account(email="a%d@example.org" % n, active=n % 3 != 0, mood=list(Mood)[n % 3], size="SML"[n % 3],
                   created=dt.datetime(2024, 2, 29, 12, 0, n, 123456 if n % 2 else 0), born=dt.date(1990, 1, 1 + n),
                   wakes=dt.time(6, n, 30), allowance=dt.timedelta(days=n - 2, seconds=n, microseconds=5 * n),
                   balance=decimal.Decimal("%d.25" % n), rating=n / 7, small=n, big=2 ** 60 + n,
                   photo=bytes(range(n * 10)), settings={"n": n, "é": [1, None, True, "x"]}, pickled={"n": (n, None)},
                   uid=uuid.UUID(int=n << 64 | n), tags=["t%d" % n, 'q"uote', "é"][:n % 4], bio="naïve\n'%d'" % n, **more)


def fill(session):
    people = [account(n) for n in range(1, 13)]
    people.append(Account(email="bare@example.org", active=False, uid=None))
    teams = [Team(name="team %d" % n) for n in range(3)]
    session.add_all(people + teams)
    session.flush()
    for n, person in enumerate(people):
        person.boss_id = people[(n * 5 + 3) % len(people)].id
        person.team_id = teams[n % 3].id
    for n, team in enumerate(teams):
        team.lead_id = people[n].id
        team.members = people[n:n + 4]
    session.add(Node(id=str(uuid.UUID(int=1)), kind="node", payload=None))
    session.add(Leaf(id=str(uuid.UUID(int=2)), weight=decimal.Decimal("1.125"), payload={"a": [2.5], "b": 1}))


def insert(session):
    person = account(20)
    session.add(person)
    session.flush()
    session.add(Team(name="new", lead_id=person.id, members=[person]))
    session.add(Leaf(id=str(uuid.uuid4()), weight=2))
    session.flush()
    session.expire_all()
    assert session.get(Account, person.id).allowance == dt.timedelta(days=18, seconds=20, microseconds=100)


def dump(session):
    for cls in (Account, Team, Node):
        for row in session.query(cls).order_by(cls.id):
            names = [attribute.key for attribute in sa.inspect(type(row)).column_attrs]
            print(type(row).__name__, {name: getattr(row, name) for name in names})
            if cls is Team:
                print("  members", sorted(member.id for member in row.members))
    for row in session.execute(sa.text("SELECT account_id, team_id FROM membership ORDER BY 1, 2")):
        print("membership", tuple(row))
    print("nickname", [tuple(row) for row in session.execute(sa.text("SELECT id, nickname FROM account ORDER BY 1"))])
    print("alembic", session.execute(sa.text("SELECT version_num FROM alembic_version")).scalar())


if __name__ == "__main__":
    # versions/*.py import the models from here, under this name
    sys.modules["sqlalchemy_app"] = sys.modules["__main__"]
    engine = sa.create_engine(sys.argv[2])
    if sys.argv[1] == "upgrade":
        upgrade(engine)
    else:
        with orm.Session(engine) as session:
            {"fill": fill, "dump": dump, "insert": insert}[sys.argv[1]](session)
            session.commit()
