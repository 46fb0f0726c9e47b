"""One model with every field type of Django, and the ways in which models refer to each other."""
import uuid

from django.contrib.auth.models import User
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Keeper(models.Model):
    user = models.OneToOneField(User, on_delete=models.CASCADE)
    deputy = models.ForeignKey("self", null=True, on_delete=models.SET_NULL)
    favourite = models.ForeignKey("Animal", null=True, on_delete=models.SET_NULL, related_name="+")


class Animal(models.Model):
    big = models.BigIntegerField(null=True)
    binary = models.BinaryField(null=True)
    boolean = models.BooleanField(default=False)
    maybe = models.BooleanField(null=True)
    char = models.CharField(max_length=20, blank=True, db_index=True)
    date = models.DateField(null=True)
    datetime = models.DateTimeField(null=True, db_index=True)
    decimal = models.DecimalField(max_digits=12, decimal_places=3, null=True)
    duration = models.DurationField(null=True)
    email = models.EmailField(unique=True)
    file = models.FileField(upload_to="x", blank=True)
    path = models.FilePathField(blank=True)
    real = models.FloatField(null=True)
    integer = models.IntegerField(null=True)
    image = models.ImageField(upload_to="y", blank=True)
    ip = models.GenericIPAddressField(null=True)
    json = models.JSONField(null=True)
    positive_big = models.PositiveBigIntegerField(null=True)
    positive = models.PositiveIntegerField(null=True)
    positive_small = models.PositiveSmallIntegerField(null=True)
    slug = models.SlugField(blank=True)
    small = models.SmallIntegerField(null=True)
    text = models.TextField(blank=True)
    time = models.TimeField(null=True)
    url = models.URLField(blank=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True)
    keeper = models.ForeignKey(Keeper, null=True, on_delete=models.CASCADE)
    friends = models.ManyToManyField("self")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["slug", "small"], name="slug_and_small"),
            models.UniqueConstraint(fields=["url"], condition=models.Q(boolean=True), name="url_of_true"),
            models.CheckConstraint(check=models.Q(integer__lt=10 ** 9), name="not_too_many"),
        ]


class Bird(Animal):
    wingspan = models.FloatField()


class Tag(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    object_id = models.PositiveIntegerField()
    content_object = GenericForeignKey()
    name = models.CharField(max_length=30, primary_key=False)


class Stay(models.Model):
    id = models.SmallAutoField(primary_key=True)
    animal = models.ForeignKey(Animal, on_delete=models.CASCADE)
    since = models.DateField()
