"""An app under Django: auth, admin, contenttypes, sessions, and one with every field type.

    django_app.py migrate URL    manage.py migrate
    django_app.py fill URL       writes rows through the ORM
    django_app.py dump URL       prints every object as the ORM reads it
    django_app.py insert URL     one new object in every table

URL: sqlite:PATH or postgresql:HOST:PORT:DATABASE:USER
"""
import datetime as dt
import decimal
import os
import sys
import uuid

import django
from django.conf import settings


def database(url):
    kind, rest = url.split(":", 1)
    if kind == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": rest}
    host, port, name, user = rest.split(":")
    return {"ENGINE": "django.db.backends.postgresql", "HOST": host, "PORT": port, "NAME": name, "USER": user}


sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
settings.configure(
    DATABASES={"default": database(sys.argv[2])},
    INSTALLED_APPS=["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
                    "django.contrib.messages", "django.contrib.sessions", "zoo"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", USE_TZ=True, TIME_ZONE="Europe/Berlin",
    SECRET_KEY="no secret", SILENCED_SYSTEM_CHECKS=["admin.E403", "admin.E408", "admin.E409", "admin.E410", "fields.E210"],
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"])
django.setup()

from django.apps import apps  # noqa: E402
from django.contrib.admin.models import ADDITION, LogEntry  # noqa: E402
from django.contrib.auth.models import Group, Permission, User  # noqa: E402
from django.contrib.contenttypes.models import ContentType  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import transaction  # noqa: E402
from zoo.models import Animal, Bird, Keeper, Stay, Tag  # noqa: E402

UTC = dt.timezone.utc


def values(n):
    return dict(
        big=2 ** 62 + n, binary=bytes(range(n)), boolean=n % 2 == 0, maybe=[None, True, False][n % 3], char="c%d" % n,
        date=dt.date(2024, 1, 1 + n), datetime=dt.datetime(2024, 6, 1, 12, n, 30, 123456 * (n % 2), tzinfo=UTC),
        decimal=decimal.Decimal("%d.125" % n), duration=dt.timedelta(days=n - 3, hours=n, microseconds=n),
        email="a%d@example.org" % n, file="x/%d" % n, image="y/%d" % n, path="/p%d" % n, real=n / 3, integer=n - 5,
        ip=["10.0.0.%d" % n, "2001:db8::%d" % n][n % 2], json={"n": n, "list": [1.5, None, "é"]},
        positive_big=2 ** 40 + n, positive=n, positive_small=n, slug="s%d" % n, small=-n, text="line\n'%d' é" % n,
        time=dt.time(1, n, 2, 345000), url="https://example.org/%d" % n, uuid=uuid.UUID(int=n << 70 | n))


def fill():
    users = [User.objects.create_user("user%d" % n, "u%d@example.org" % n, "secret", is_staff=n == 0) for n in range(3)]
    group = Group.objects.create(name="keepers")
    group.permissions.add(*Permission.objects.filter(codename__contains="animal"))
    for user in users:
        user.groups.add(group)
        user.user_permissions.add(Permission.objects.first())
    keepers = [Keeper.objects.create(user=user) for user in users]
    animals = [Animal.objects.create(keeper=keepers[n % 3], **values(n)) for n in range(1, 12)]
    animals.append(Animal.objects.create(email="bare@example.org", uuid=uuid.UUID(int=99)))
    bird = Bird.objects.create(wingspan=1.25, **values(20))
    for n, animal in enumerate(animals):
        animal.friends.add(animals[(n * 5 + 1) % len(animals)])
        Stay.objects.create(animal=animal, since=dt.date(2020, 2, 29))
    for n, keeper in enumerate(keepers):
        keeper.deputy, keeper.favourite = keepers[(n + 1) % 3], animals[n]
        keeper.save()
    Tag.objects.create(id=uuid.UUID(int=5), content_object=bird, name="rare")
    LogEntry.objects.log_action(users[0].pk, ContentType.objects.get_for_model(Animal).pk, animals[0].pk, "it", ADDITION, "made")
    session = SessionStore()
    session["user"] = 1
    session.create()
    User.objects.filter(username="user2").update(last_login=dt.datetime(2024, 1, 1, tzinfo=UTC))
    # rows that are gone: ids that must not come again
    Animal.objects.create(email="gone@example.org").delete()


def insert():
    with transaction.atomic():
        user = User.objects.create_user("new", "new@example.org", "secret")
        group = Group.objects.create(name="new")
        group.permissions.add(Permission.objects.first())
        user.groups.add(group)
        user.user_permissions.add(Permission.objects.last())
        keeper = Keeper.objects.create(user=user)
        animal = Animal.objects.create(keeper=keeper, **values(27))
        animal.friends.add(Animal.objects.first())
        bird = Bird.objects.create(wingspan=2, **values(25))
        Stay.objects.create(animal=bird, since=dt.date(2024, 1, 1))
        Tag.objects.create(content_object=animal, name="new")
        LogEntry.objects.log_action(user.pk, ContentType.objects.get_for_model(Bird).pk, bird.pk, "it", ADDITION, "made")
        content_type = ContentType.objects.create(app_label="new", model="new")
        Permission.objects.create(content_type=content_type, codename="new", name="new")
        SessionStore().create()
        read = Animal.objects.get(pk=animal.pk)
        expected = values(27)
        for name, value in expected.items():
            got = getattr(read, name)
            got = bytes(got) if isinstance(got, memoryview) else got
            assert got == value, (name, got, value)
    if "sqlite" not in sys.argv[2]:
        call_command("sqlsequencereset", "zoo", "auth", no_color=True, stdout=open(os.devnull, "w"))


def shown(value):
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, dt.datetime):
        return value.astimezone(UTC).isoformat()
    return value


def dump():
    for model in sorted(apps.get_models(include_auto_created=True), key=lambda m: m._meta.label):
        for row in model.objects.order_by("pk"):
            print(model._meta.label, {f.attname: shown(getattr(row, f.attname)) for f in model._meta.concrete_fields})
    from django.db.migrations.recorder import MigrationRecorder
    print("migrations", sorted(MigrationRecorder.Migration.objects.values_list("app", "name")))
    print("by relation", [(k.user.username, k.deputy_id, k.favourite.email, k.animal_set.count()) for k in Keeper.objects.order_by("pk")])
    print("login", User.objects.get(username="user1").check_password("secret"))


if __name__ == "__main__":
    if sys.argv[1] == "migrate":
        call_command("migrate", verbosity=0)
    elif sys.argv[1] == "makemigrations":
        call_command("makemigrations", "zoo")
    else:
        {"fill": fill, "dump": dump, "insert": insert}[sys.argv[1]]()
