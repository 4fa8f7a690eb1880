import django.db.models.deletion
import recognition.models
from django.db import migrations, models


def copy(apps, schema_editor):
    """Take all rows over, in the order in which they lie."""
    old, new = (apps.get_model("recognition", name)._meta.db_table for name in ("Embedding", "NewEmbedding"))
    schema_editor.execute(
        f"INSERT INTO {new} (face_id, engine, vector) SELECT face_id, engine, vector FROM {old}"
    )


class Migration(migrations.Migration):
    """Gives embeddings a number of their own, in a new table: a primary key cannot be exchanged in place."""

    dependencies = [("recognition", "0006_batch")]

    operations = [
        migrations.CreateModel(
            name="NewEmbedding",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("engine", models.CharField(max_length=40)),
                ("vector", recognition.models.EmbeddingField()),
                (
                    "face",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="recognition.face",
                    ),
                ),
            ],
        ),
        migrations.RunPython(copy, migrations.RunPython.noop),
        migrations.DeleteModel(name="Embedding"),
        migrations.RenameModel(old_name="NewEmbedding", new_name="Embedding"),
        migrations.AlterField(
            model_name="embedding",
            name="face",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="embedding",
                to="recognition.face",
            ),
        ),
    ]
